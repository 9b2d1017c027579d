"""What a screening run says about itself in ``screening.json``: which model was asked how, and how P was calibrated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qreal_tasks.files.regular import read_text
from qreal_tasks.screening.calibration import Calibration

RECORD = "screening.json"
_DECIDES_P = ("model", "sets", "detect", "prompts", "detector")
"""Keys that decide the probabilities: two runs that differ in one of them cannot be compared."""


@dataclass(frozen=True)
class RunRecord:
    """The record of a run."""

    asked: dict[str, Any]
    """What decides the probabilities."""
    calibration: Calibration | None


def read_record(out: Path) -> RunRecord:
    """Read the record of a run.

    Raises:
        ValueError: there is none, or it is no record of ``qreal screen``.
        OSError: it cannot be read.
    """
    path = out / RECORD
    try:
        content = json.loads(read_text(path))
        if not isinstance(content, dict) or "model" not in content:
            raise ValueError("no entry model")
        found = content.get("calibration")
        calibration = None if found is None else Calibration.model_validate_json(json.dumps(found))
    except FileNotFoundError:
        raise ValueError(f"{path} is missing: {out} is no output folder of qreal screen") from None
    except ValueError as error:
        raise ValueError(f"{path}: no record of qreal screen ({' '.join(str(error).split()):.200})") from None
    return RunRecord({key: content[key] for key in _DECIDES_P if key in content}, calibration)
