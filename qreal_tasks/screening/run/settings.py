"""What a screening run is made with: options, over a YAML file like those in ``configs/screening/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from qreal_tasks.files.yaml_files import Document, WrittenValues, read_yaml
from qreal_tasks.files.yaml_models import validate
from qreal_tasks.intake.settings import IntakeSettings
from qreal_tasks.screening.asking import AskingSettings
from qreal_tasks.screening.assessment import Weighting
from qreal_tasks.screening.run.errors import ScreeningError


class ScreeningIntake(IntakeSettings):
    """Which files a run takes: of a hub set or a dataset of this benchmark every image, unless splits are named."""

    split: str = "all"


class ScreeningSettings(AskingSettings):
    """Everything that decides what a run writes."""

    weighting: Weighting = Weighting.AREA
    calibration: Path | None = None
    """File of ``qreal screen calibrate``; in a YAML file beside that, or by its whole path."""
    intake: ScreeningIntake = ScreeningIntake()
    images_per_shard: int = Field(default=32, ge=1, le=10_000)
    """What is done again at most after a crash, and what one worker takes at a time."""
    images_at_once: int = Field(default=32, ge=1, le=1_000)
    """Decoded and given to the model together."""


def load_screening_settings(config: Path | None, options: Mapping[str, Any]) -> ScreeningSettings:
    """Read a config and put options in the place of what it says.

    Args:
        options: by the names of fields, such as ``model`` and ``crop_model.model``; None where one was not given.

    Raises:
        ScreeningError: the file cannot be read, or a field is not as expected; the message names all of them.
    """
    name = "options" if config is None else f"config {config}"
    document = Document({}, WrittenValues()) if config is None else read_yaml(config.expanduser(), name, ScreeningError)
    content = {} if document.content is None else document.content
    if isinstance(content, dict):
        content = dict(content)
        if config is not None and isinstance(content.get("calibration"), str):
            listed = Path(content["calibration"]).expanduser()
            content["calibration"] = config.expanduser().absolute().parent / listed
        for field, value in options.items():
            if value is not None:
                _put(content, field.split("."), value)
    return validate(replace(document, content=content), ScreeningSettings, name, ScreeningError)


def _put(content: dict[str, Any], field: list[str], value: Any) -> None:
    for name in field[:-1]:
        inner = content.get(name)
        content[name] = dict(inner) if isinstance(inner, dict) else {}
        content = content[name]
    content[field[-1]] = value
