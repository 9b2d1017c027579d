"""What a screening run says about itself in ``screening.json``: which model was asked how, and how P was calibrated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qreal_tasks.screening.calibration import Calibration
from qreal_tasks.screening.run.record import ASKED, read_record_file

RECORD = "screening.json"


@dataclass(frozen=True)
class RunRecord:
    """The record of a run."""

    asked: dict[str, Any]
    """What decides the probabilities: two runs that differ in it cannot be compared."""
    calibration: Calibration | None
    model: str | None
    """The model as the user named it."""


def read_record(out: Path) -> RunRecord:
    """Read the record of a run.

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
