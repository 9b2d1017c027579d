"""The coordinate space in which a run asks its model to write boxes.

The prompt's sentence, the parser and the conversion to pixels all take it from here, so they cannot disagree.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qreal_tasks.boxes import DEFAULT_BOX_SPACE, Space
from qreal_tasks.harness.backend_arguments import convert_value
from qreal_tasks.harness.named_models import find_box_writer
from qreal_tasks.models.families import find_family_by_name, find_family_by_type
from qreal_tasks.models.server.served_model import FoundFamily, config_type, family_of_model, served_family
from qreal_tasks.models.server.sizes import PictureSizes

BOX_SPACE_VARIABLE = "QREAL_BOX_SPACE"
SERVER = "qreal_openai"
BACKENDS_REPORTING_INPUT_SIZE = frozenset({"qreal_agent", "qreal_hf", SERVER})
"""Backends that say which size they fed the model; without it boxes in resized pixels cannot be read."""


@dataclass(frozen=True)
class SpaceChoice:
    """A space and the reason for it, for the log."""

    space: Space
    reason: str
    assumed: bool = False
    """Nobody declared it, neither a user nor the model's family."""


def read_declared_space() -> Space:
    """The space of this run: ``QREAL_BOX_SPACE``, or 0 to 1000.

    Raises:
        ValueError: the variable holds no space.
    """
    value = os.environ.get(BOX_SPACE_VARIABLE, "").strip()
    if not value:
        return DEFAULT_BOX_SPACE
    try:
        return Space(value)
    except ValueError:
        raise ValueError(f"{BOX_SPACE_VARIABLE}={value}: expected one of {', '.join(Space)}") from None


def is_assumed() -> bool:
    """Whether the space of this run is nobody's declaration but the default."""
    return not os.environ.get(BOX_SPACE_VARIABLE, "").strip()


ASSUMED_NOTICE = (
    f"boxes are ASSUMED to be written in {DEFAULT_BOX_SPACE}: nobody declared the space that this model writes in. If "
    f"it writes in another one, every ImageQA number is wrong; set {BOX_SPACE_VARIABLE} to one of {', '.join(Space)}"
)
"""Said at the start of a run whose space is nobody's declaration."""


def choose_space(backend: str, model_args: Mapping[str, str]) -> SpaceChoice:
    """The space for a model before the tasks load.

    Args:
        backend: the harness's ``--model``.
        model_args: of that backend.

    Raises:
        ValueError: ``QREAL_BOX_SPACE`` holds no space, or one that this backend cannot serve, ``family=`` is not
            known, or limits of pictures are given that would not hold.
    """
    reports = backend in BACKENDS_REPORTING_INPUT_SIZE
    if not is_assumed():
        space = read_declared_space()
        if space is Space.RESIZED_PIXELS and not reports:
            raise ValueError(
                f"{BOX_SPACE_VARIABLE}={space}: the backend {backend} does not report the size of the image it fed the "
                "model, so such boxes cannot be read. Use another space, for instance "
                f"{BOX_SPACE_VARIABLE}={DEFAULT_BOX_SPACE}."
            )
        if backend == SERVER and (space is Space.RESIZED_PIXELS or _limits(model_args)):
            PictureSizes.of(space, _family(backend, model_args).family, **_limits(model_args))
        return SpaceChoice(space, f"{BOX_SPACE_VARIABLE} is set")
    found = _family(backend, model_args)
    family = found.family
    if backend == SERVER:
        PictureSizes.of(family.box_space if family else DEFAULT_BOX_SPACE, family, **_limits(model_args))
    if family is None:
        return SpaceChoice(DEFAULT_BOX_SPACE, f"default; the family of {found.told_by} is not known", assumed=True)
    if family.box_space is Space.RESIZED_PIXELS and not reports:
        reason = f"{family.name} writes {family.box_space}, but the backend {backend} does not report the input size"
        return SpaceChoice(DEFAULT_BOX_SPACE, reason, assumed=True)
    return SpaceChoice(family.box_space, f"what {family.name} was trained to write; {found.told_by}")


def _limits(model_args: Mapping[str, str]) -> dict[str, int]:
    """The sizes of pictures that a server takes, as far as they are given."""
    found = {name: convert_value(name, model_args.get(name), int | None) for name in ("min_pixels", "max_pixels")}
    return {name: value for name, value in found.items() if value is not None}


def _family(backend: str, model_args: Mapping[str, str]) -> FoundFamily:
    """The family of the model that writes the boxes."""
    writer = find_box_writer(backend, model_args)
    if backend == SERVER and writer:
        return served_family(writer, model_args.get("base_url"), model_args.get("family"))
    if writer and (found := family_of_model(writer)):
        return found
    family = find_family_by_type(backend) or find_family_by_name(backend)
    if family is not None:
        return FoundFamily(family, backend)
    model_type = _type_on_hub(writer) if writer else None
    return FoundFamily(None if model_type is None else find_family_by_type(model_type), model_type or writer or backend)


def _type_on_hub(model: str) -> str | None:
    """``model_type`` of a hub id; None where it cannot be had."""
    from huggingface_hub import hf_hub_download

    from qreal_tasks.dataset.hub_errors import hub_failures

    if model.count("/") != 1:
        return None
    try:
        return config_type(Path(hf_hub_download(model, "config.json")))
    except hub_failures():
        return None
