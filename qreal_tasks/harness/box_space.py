"""Which coordinate space a run asks its model to write boxes in.

The prompt's sentence, the parser and the conversion to pixels all take it from here, so they cannot disagree.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from qreal_tasks.boxes import Space
from qreal_tasks.models.families import BOX_SPACE_OF_MODEL_TYPE, DEFAULT_BOX_SPACE

ENVIRONMENT = "QREAL_BOX_SPACE"
BACKENDS_REPORTING_INPUT_SIZE = frozenset({"qreal_agent", "qreal_hf"})
"""Backends that say which size they fed the model; without it boxes in resized pixels cannot be read."""


@dataclass(frozen=True)
class Choice:
    """A space and the reason for it, for the log."""

    space: Space
    reason: str


def declared_space() -> Space:
    """The space of this run: ``QREAL_BOX_SPACE``, or 0 to 1000.

    Raises:
        ValueError: the variable holds no space.
    """
    value = os.environ.get(ENVIRONMENT, "").strip()
    if not value:
        return DEFAULT_BOX_SPACE
    try:
        return Space(value)
    except ValueError:
        raise ValueError(f"{ENVIRONMENT}={value}: expected one of {', '.join(Space)}") from None


def choose_space(backend: str, pretrained: str | None) -> Choice:
    """The space for a model before the tasks load.

    Args:
        backend: the harness's ``--model``.
        pretrained: the model's folder or hub id, when the arguments name one.

    Raises:
        ValueError: ``QREAL_BOX_SPACE`` holds no space, or one that this backend cannot serve.
    """
    reports = backend in BACKENDS_REPORTING_INPUT_SIZE
    if os.environ.get(ENVIRONMENT, "").strip():
        space = declared_space()
        if space is Space.RESIZED_PIXELS and not reports:
            raise ValueError(
                f"{ENVIRONMENT}={space}: the backend {backend} does not report the size of the image it fed the model, "
                f"so such boxes cannot be read. Use another space, for instance {ENVIRONMENT}={DEFAULT_BOX_SPACE}."
            )
        return Choice(space, f"{ENVIRONMENT} is set")
    model_type = _model_type(pretrained) or backend
    space = BOX_SPACE_OF_MODEL_TYPE.get(model_type, DEFAULT_BOX_SPACE)
    if space is Space.RESIZED_PIXELS and not reports:
        return Choice(
            DEFAULT_BOX_SPACE, f"{model_type} writes {space}, but the backend {backend} does not report the input size"
        )
    known = model_type in BOX_SPACE_OF_MODEL_TYPE
    return Choice(space, f"what {model_type} was trained to write" if known else f"default; {model_type} is not known")


def _model_type(pretrained: str | None) -> str | None:
    """``model_type`` of a model folder or of a hub id; None where it cannot be had."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if not pretrained:
        return None
    config = Path(pretrained).expanduser() / "config.json"
    try:
        if not config.parent.is_dir():
            config = Path(hf_hub_download(pretrained, "config.json"))
        return str(json.loads(config.read_text(encoding="utf-8"))["model_type"])
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError, KeyError, TypeError):
        return None
