"""``screening.json``, the record of a run: which model was asked how, and how P was calibrated.

A run that goes on is held against it; calibrating and comparing read which model the numbers are of.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qreal_tasks import __version__
from qreal_tasks.files.atomic import write_whole
from qreal_tasks.files.regular import read_text
from qreal_tasks.files.system_errors import describe_error, explain_refusal
from qreal_tasks.screening.calibration.record import Calibration
from qreal_tasks.screening.run.errors import ScreeningError
from qreal_tasks.screening.run.settings import ScreeningSettings
from qreal_tasks.text.one_line import one_line

RECORD = "screening.json"
_FORMAT = 1
ASKED = ("model", "sets", "detect", "prompts", "detector", "form")
"""What decides the numbers, as ``identify_asking`` has it."""


@dataclass(frozen=True)
class RunRecord:
    """The record of a run, as far as others read it."""

    asked: dict[str, Any]
    """What decides the probabilities: two runs that differ in it cannot be compared."""
    calibration: Calibration | None
    model: str | None
    """The model as the user named it."""


def make_record(
    images: str, settings: ScreeningSettings, asked: dict[str, Any], calibration: dict[str, Any] | None
) -> dict[str, Any]:
    """The record of a run that has not ended.

    Args:
        images: folder, table or hub set; folders and tables by their whole path.
        asked: of ``identify_asking``.
        calibration: content of its file.
    """
    crops = settings.crop_model
    return {
        "format": _FORMAT,
        "project": __version__,
        "images": images,
        **asked,
        "named": {
            "model": settings.model,
            "adapter": settings.adapter,
            "crop_model": crops and crops.model,
            "detector": settings.detector and settings.detector.model,
        },
        "server": settings.server,
        "weighting": str(settings.weighting),
        "intake": settings.intake.model_dump(mode="json"),
        "images_per_shard": settings.images_per_shard,
        "images_at_once": settings.images_at_once,
        "calibration": calibration,
        "counts": None,
    }


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record in one step."""
    write_whole(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def read_record_file(path: Path) -> dict[str, Any] | None:
    """Read the record of an earlier start; None where there was none.

    Raises:
        ScreeningError: it is no record of this format.
    """
    try:
        found = json.loads(read_text(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ScreeningError(
            explain_refusal(error, path) or f"{path} cannot be read ({describe_error(error)}); give another --out"
        ) from error
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise ScreeningError(f"{path} is no record of this version of qreal screen; give another --out")
    return found


def read_record(out: Path) -> RunRecord:
    """Read the record of a run.

    Args:
        out: what ``qreal screen --out`` was given.

    Raises:
        ValueError: there is none, it is no record of ``qreal screen``, or the run has not ended since its model or
            calibration was changed: the rows are those of an earlier one, or none.
    """
    path = out / RECORD
    content = read_record_file(path)
    if content is None:
        raise ValueError(f"{path} is missing: {out} is no output folder of qreal screen")
    if content.get("counts") is None:
        raise ValueError(f"{path}: the run has not ended; start it again")
    found = content.get("calibration")
    try:
        calibration = None if found is None else Calibration.model_validate_json(json.dumps(found))
    except ValidationError as error:
        raise ValueError(f"{path}: calibration: {' '.join(str(error).split()):.200}") from None
    named = content.get("named") or {}
    return RunRecord({key: content.get(key) for key in ASKED}, calibration, named.get("adapter") or named.get("model"))


def check_same_run(before: dict[str, Any], record: dict[str, Any], out: Path, anew: bool) -> None:
    """Refuse to go on with a run of other images or of another model.

    Args:
        anew: another model is meant, or none has answered: its answers take the place of those that are there.

    Raises:
        ScreeningError: it is another run; says what differs.
    """
    if before["images"] != record["images"]:
        raise ScreeningError(f"{out} holds a run over {before['images']}; give another --out for {record['images']}")
    differing = [name for name in ASKED if before.get(name) != record[name]]
    if differing and not anew:
        shown = "; ".join(f"{name} was {_show(before.get(name))}, is {_show(record[name])}" for name in differing)
        raise ScreeningError(
            f"{out} was judged otherwise ({shown}). Give another --out, or --anew to judge all of its images again"
        )


def _show(value: object) -> str:
    return one_line(json.dumps(value), 200)
