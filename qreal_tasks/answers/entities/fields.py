"""What an entity is made of, whatever the style it is written in: label, box, description.

>>> read_box("(12,30),(200,180)")
(12.0, 30.0, 200.0, 180.0)
>>> read_box([12, 30, 12, 180])
<Dropped.ZERO_AREA: 'zero_area'>
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from qreal_tasks.answers.entities.sides import NUMBER, key_form, named_box, named_numbers, number_of, point_of
from qreal_tasks.answers.plain import ascii_forms, listed

Box = tuple[float, float, float, float]


class Dropped(StrEnum):
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
    """As written, or once clipped to the image."""
    REPLACED = "replaced"
    """In a list that a later list of the same text replaces."""


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
class Draft:
    """An entity before its boxes are checked; several boxes make several entities, none counts as
    ``NO_BOX``."""

    label: str = ""
    description: str = ""
    boxes: list[object] = field(default_factory=list)
    box_key: str = field(default="", repr=False)
    """Under which key of an object they stand, as ``FIELD_OF_KEY`` spells it."""


@dataclass
class Found:
    """What one style of writing finds in a text."""

    drafts: list[Draft] = field(default_factory=list)
    truncated: bool = False
    """The text ends inside an entity or a list."""
    empty: bool = False
    """It holds an empty list."""
    states_none: bool = False
    """It states an empty list as its answer: on its own, not in the middle of a sentence."""
    replaced: int = 0
    """Entities of lists that a later list replaces."""


FIELD_OF_KEY: dict[str, str] = {
    **dict.fromkeys(
        listed(
            "bbox_2d bbox box box_2d bounding_box boundingbox coordinates coordinate coords coord location position "
            "region bboxes boxes bounding_boxes bbox_xyxy xyxy 坐标 边界框 位置"
        ),
        "box",
    ),
    **dict.fromkeys(
        listed(
            "label name entity object category class title entity_name object_name entity_label "
            "type_label entity_type type 标签 名称 实体"
        ),
        "label",
    ),
    **dict.fromkeys(
        listed(
            "description desc reason reasons issue issues explanation flaw flaws problem problems rationale reasoning "
            "details detail comment text 描述 原因 问题 说明"
        ),
        "description",
    ),
}
"""The spellings of the three fields; where an object holds two of one field, the first here counts."""

_NUMBERS = re.compile(rf"(?<![\w.]){NUMBER}", re.ASCII)
_COORDINATE_NAME = re.compile(r"[xXyY]_?(?:0|1|2|min|max)\s{0,4}[=:]", re.ASCII)


def numbers_in(text: str) -> list[float]:
    """All numbers of a text in order, names such as ``x1=`` aside."""
    return [float(number) for number in _NUMBERS.findall(_COORDINATE_NAME.sub(" ", ascii_forms(text)))]


def named_or_numbers(text: str) -> dict[str, float] | list[float]:
    """The numbers of a text, by the names of sides where all have one."""
    return named_numbers(text) or numbers_in(text)


def boxes_in(text: str) -> list[object]:
    """The boxes of a text that holds nothing else, as values for ``read_box``: by the names of the sides where they
    have some; several in one pair of brackets; the text itself when it holds none."""
    numbers = named_or_numbers(text)
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
    return is_named(value) or (isinstance(value, str) and isinstance(read_box(value), tuple))


def is_named(value: object) -> bool:
    """Whether the sides of a box have names, which no order of coordinates that a model declares can change."""
    if isinstance(value, str):
        return named_numbers(value) is not None
    if isinstance(value, dict):
        return named_box(_in_key_form(value)) is not None
    return isinstance(value, list) and len(value) == 2 and all(map(point_of, value)) and isinstance(value[0], dict)


def _in_key_form(value: dict[Any, Any]) -> dict[str, Any]:
    return {key_form(str(key)): part for key, part in value.items()}


def read_box(value: object) -> Box | Dropped:
    """The box that a value of a box field stands for, or why it is none."""
    if isinstance(value, str):
        # Only numbers and what separates them: a sentence with four numbers is no box.
        bare = _COORDINATE_NAME.sub(" ", ascii_forms(value))
        value = named_numbers(value) or (numbers_in(value) if not re.search(r"[^\W\deEpx]", bare) else None)
    if isinstance(value, dict):
        value = named_box(_in_key_form(value))
        if value is None:
            return Dropped.UNKNOWN_NAMES
    if isinstance(value, list) and len(value) == 2 and (low := point_of(value[0])) and (high := point_of(value[1])):
        value = [*low, *high]
    if not (isinstance(value, list) and len(value) == 4):
        return Dropped.NOT_FOUR_NUMBERS
    x1, y1, x2, y2 = map(number_of, value)
    if x1 is None or y1 is None or x2 is None or y2 is None:
        return Dropped.NOT_FOUR_NUMBERS
    if not all(math.isfinite(number) for number in (x1, y1, x2, y2)):
        return Dropped.NOT_FINITE
    if x1 > x2 or y1 > y2:
        return Dropped.REVERSED_CORNERS
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else Dropped.ZERO_AREA


def text_of(value: object) -> str:
    """A label or description as one text: lists are joined, an object's keys are kept ("hands: six
    fingers")."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return "; ".join(part for item in value if (part := _flat(item)))
    if isinstance(value, dict):
        return "; ".join(f"{key}: {part}" for key, item in value.items() if (part := _flat(item)))
    return _flat(value)


def _flat(value: object) -> str:
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
