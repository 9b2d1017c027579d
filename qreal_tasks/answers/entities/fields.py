"""The fields of an entity, whatever the style it is written in: label, box, description.

>>> parse_box("(12,30),(200,180)")
(12.0, 30.0, 200.0, 180.0)
>>> parse_box([12, 30, 12, 180])
<DropReason.ZERO_AREA: 'zero_area'>
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from qreal_tasks.answers.characters import to_halfwidth
from qreal_tasks.answers.entities.sides import (
    NUMBER,
    extract_named_numbers,
    normalise_key,
    parse_number,
    parse_point,
    resolve_named_box,
)
from qreal_tasks.files.package_tables import load_words

Box = tuple[float, float, float, float]


class DropReason(StrEnum):
    """Why an entity was left out. Boxes are never mended: a reversed one is the model's error, not a
    spelling."""

    NO_BOX = "no_box"
    NOT_FOUR_NUMBERS = "not_four_numbers"
    UNKNOWN_NAMES = "unknown_names"
    """Coordinates under names that make no box: a point, or x and y without a size."""
    NOT_FINITE = "not_finite"
    REVERSED_CORNERS = "reversed_corners"
    """x1 > x2 or y1 > y2."""
    ZERO_AREA = "zero_area"
    """The box has no area, as written or once clipped to the image."""
    REPLACED = "replaced"
    """The entity stands in a list that a later list of the same text replaces."""


@dataclass(frozen=True)
class ParsedEntity:
    """One entity as the model wrote it."""

    label: str
    box: Box
    """x1, y1, x2, y2 in the model's declared space, finite, x1 < x2 and y1 < y2. In a space that has y first the four
    are y1, x1, y2, x2, unless they are ``named``."""
    description: str
    named: bool = False
    """The model named the sides of the box, so that x is x whatever comes first in the declared space."""


@dataclass
class EntityDraft:
    """An entity before its boxes are checked; several boxes make several entities, none counts as
    ``NO_BOX``."""

    label: str = ""
    description: str = ""
    boxes: list[object] = field(default_factory=list)
    box_key: str = field(default="", repr=False)
    """Under which key of an object they stand, as ``FIELD_OF_KEY`` spells it."""


@dataclass
class FoundEntities:
    """What one style of writing finds in a text."""

    drafts: list[EntityDraft] = field(default_factory=list)
    truncated: bool = False
    """The text ends inside an entity or a list."""
    empty: bool = False
    """It holds an empty list."""
    states_none: bool = False
    """It states an empty list as its answer: on its own, not in the middle of a sentence."""
    replaced: int = 0
    """Entities of lists that a later list replaces."""


FIELD_NAMES = load_words(Path(__file__).with_name("field_names.yaml"))
FIELD_OF_KEY = {key: name for name in ("box", "label", "description") for key in FIELD_NAMES[name]}
"""The spellings of the three fields; where an object holds two of one field, the first here counts."""

_NUMBERS = re.compile(rf"(?<![\w.]){NUMBER}", re.ASCII)
_COORDINATE_NAME = re.compile(r"[xXyY]_?(?:0|1|2|min|max)\s{0,4}[=:]", re.ASCII)


def extract_numbers(text: str) -> list[float]:
    """All numbers of a text in order, names such as ``x1=`` aside."""
    return [float(number) for number in _NUMBERS.findall(_COORDINATE_NAME.sub(" ", to_halfwidth(text)))]


def extract_sides_or_numbers(text: str) -> dict[str, float] | list[float]:
    """The numbers of a text, by the names of sides where all have one."""
    return extract_named_numbers(text) or extract_numbers(text)


def split_box_text(text: str) -> list[object]:
    """The boxes of a text that holds nothing else, as values for ``parse_box``: by the names of the sides where they
    have some; several in one pair of brackets; the text itself when it holds none."""
    numbers = extract_sides_or_numbers(text)
    if isinstance(numbers, dict):
        return [numbers]
    if numbers and len(numbers) % 4 == 0:
        return [numbers[i : i + 4] for i in range(0, len(numbers), 4)]
    return [text.strip()]


def split_boxes(value: object) -> list[object]:
    """The boxes under one key: ``[[a], [b]]`` are two, ``[[a]]`` and ``a`` are one."""
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list | str | dict):
        value = value[0]
    parts = value if isinstance(value, list) else []
    if len(parts) > 1 and any(map(_is_whole, parts)) and all(isinstance(part, list | dict | str) for part in parts):
        return list(parts)
    return [value]


def _is_whole(value: object) -> bool:
    """Whether a part of a list is a box of its own and not a number or a corner of one."""
    if isinstance(value, list):
        return len(value) == 4 or (len(value) == 2 and all(isinstance(part, list) for part in value))
    return has_named_sides(value) or (isinstance(value, str) and isinstance(parse_box(value), tuple))


def has_named_sides(value: object) -> bool:
    """Whether the sides of a box have names, which no order of coordinates that a model declares can change."""
    if isinstance(value, str):
        return extract_named_numbers(value) is not None
    if isinstance(value, dict):
        return resolve_named_box(_in_key_form(value)) is not None
    return isinstance(value, list) and len(value) == 2 and all(map(parse_point, value)) and isinstance(value[0], dict)


def _in_key_form(value: dict[Any, Any]) -> dict[str, Any]:
    return {normalise_key(str(key)): part for key, part in value.items()}


def parse_box(value: object) -> Box | DropReason:
    """The box that a value of a box field stands for, or why it is none."""
    if isinstance(value, str):
        # Only numbers and what separates them: a sentence with four numbers is no box.
        is_bare = not re.search(r"[^\W\deEpx]", _COORDINATE_NAME.sub(" ", to_halfwidth(value)))
        value = extract_named_numbers(value) or (extract_numbers(value) if is_bare else None)
    if isinstance(value, dict):
        value = resolve_named_box(_in_key_form(value))
        if value is None:
            return DropReason.UNKNOWN_NAMES
    corners = [parse_point(part) for part in value] if isinstance(value, list) and len(value) == 2 else []
    if corners and all(corners):
        value = [number for corner in corners if corner for number in corner]
    if not (isinstance(value, list) and len(value) == 4):
        return DropReason.NOT_FOUR_NUMBERS
    x1, y1, x2, y2 = map(parse_number, value)
    if x1 is None or y1 is None or x2 is None or y2 is None:
        return DropReason.NOT_FOUR_NUMBERS
    if not all(math.isfinite(number) for number in (x1, y1, x2, y2)):
        return DropReason.NOT_FINITE
    if x1 > x2 or y1 > y2:
        return DropReason.REVERSED_CORNERS
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else DropReason.ZERO_AREA


def to_text(value: object) -> str:
    """A label or description as one text: lists are joined, an object's keys are kept ("hands: six
    fingers")."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return "; ".join(part for item in value if (part := _flatten(item)))
    if isinstance(value, dict):
        return "; ".join(f"{key}: {part}" for key, item in value.items() if (part := _flatten(item)))
    return _flatten(value)


def _flatten(value: object) -> str:
    """A value inside a list or object, which may itself be a list of texts; anything deeper is left out."""
    if value is None or isinstance(value, dict | bool):
        return ""
    if isinstance(value, list):
        return ", ".join(item.strip() for item in value if isinstance(item, str))
    if isinstance(value, str):
        return value.strip()
    try:
        return str(value)
    except ValueError:  # an integer of thousands of digits
        return ""
