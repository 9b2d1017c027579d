"""What an entity is made of, whatever the style it is written in: label, box, description.

>>> read_box("(12,30),(200,180)")
(12.0, 30.0, 200.0, 180.0)
>>> read_box([12, 30, 12, 180])
<Dropped.ZERO_AREA: 'zero_area'>
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from qreal_tasks.answers.spoken import ascii_forms

Box = tuple[float, float, float, float]


class Dropped(StrEnum):
    """Why an entity was left out. Boxes are never mended: a reversed one is the model's error, not a
    spelling."""

    NO_BOX = "no_box"
    NOT_FOUR_NUMBERS = "not_four_numbers"
    NOT_FINITE = "not_finite"
    REVERSED_CORNERS = "reversed_corners"
    """x1 > x2 or y1 > y2."""
    ZERO_AREA = "zero_area"
    """As written, or once clipped to the image."""


@dataclass(frozen=True)
class ParsedEntity:
    """One entity as the model wrote it."""

    label: str
    box: Box
    """x1, y1, x2, y2 in the model's declared space, finite, x1 < x2 and y1 < y2."""
    description: str


@dataclass
class Draft:
    """An entity before its boxes are checked; several boxes make several entities, none counts as
    ``NO_BOX``."""

    label: str = ""
    description: str = ""
    boxes: Sequence[object] = ()


@dataclass
class Found:
    """What one style of writing finds in a text."""

    drafts: list[Draft] = field(default_factory=list)
    truncated: bool = False
    """The text ends inside an entity or a list."""
    empty: bool = False
    """It states an empty list."""


FIELD_OF_KEY: dict[str, str] = {
    **dict.fromkeys(
        [
            "bbox_2d",
            "bbox",
            "box",
            "box_2d",
            "bounding_box",
            "boundingbox",
            "coordinates",
            "coordinate",
            "coords",
            "coord",
            "location",
            "position",
            "region",
            "bboxes",
            "boxes",
            "bbox_xyxy",
            "xyxy",
            "坐标",
            "边界框",
            "位置",
        ],
        "box",
    ),
    **dict.fromkeys(
        [
            "label",
            "name",
            "entity",
            "object",
            "category",
            "class",
            "title",
            "entity_name",
            "object_name",
            "entity_label",
            "标签",
            "名称",
            "实体",
        ],
        "label",
    ),
    **dict.fromkeys(
        [
            "description",
            "desc",
            "reason",
            "reasons",
            "issue",
            "issues",
            "explanation",
            "flaw",
            "flaws",
            "problem",
            "problems",
            "rationale",
            "reasoning",
            "details",
            "detail",
            "comment",
            "text",
            "描述",
            "原因",
            "问题",
            "说明",
        ],
        "description",
    ),
}
"""The spellings of the three fields; where an object holds two of one field, the first here counts."""

_CORNER_KEYS = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
)
NUMBER = r"[-+]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][-+]?\d{1,3})?"
_NUMBER = re.compile(rf"\s*(?:[xXyY]_?(?:1|2|min|max)\s*[=:]\s*)?({NUMBER})\s*(?:px)?\s*", re.ASCII)
_NUMBERS = re.compile(rf"(?<![\w.]){NUMBER}", re.ASCII)
_COORDINATE_NAME = re.compile(r"[xXyY]_?(?:1|2|min|max)\s{0,4}[=:]", re.ASCII)
_NOT_FINITE = frozenset(("nan", "inf", "infinity", "-inf", "-infinity", "+inf", "+infinity"))


def key_form(key: str) -> str:
    """A key as ``FIELD_OF_KEY`` spells it.

    >>> key_form(" Bounding Box ")
    'bounding_box'
    """
    return key.strip().lower().replace(" ", "_").replace("-", "_")


def numbers_in(text: str) -> list[float]:
    """All numbers of a text in order, names such as ``x1=`` aside."""
    return [float(number) for number in _NUMBERS.findall(_COORDINATE_NAME.sub(" ", ascii_forms(text)))]


def corners(value: Mapping[str, object]) -> list[object] | None:
    """The four values of an object that names its corners, such as {"x1": ..., "y2": ...}."""
    for names in _CORNER_KEYS:
        if all(name in value for name in names):
            return [value[name] for name in names]
    return None


def split_boxes(value: object) -> list[object]:
    """The boxes under one key: ``[[a], [b]]`` are two, ``[[a]]`` and ``a`` are one."""
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list | str | dict):
        value = value[0]
    if isinstance(value, list) and len(value) > 1 and all(_is_whole(part) for part in value):
        return list(value)
    return [value]


def _is_whole(value: object) -> bool:
    return (isinstance(value, list) and len(value) == 4) or (isinstance(value, dict) and corners(value) is not None)


def read_box(value: object) -> Box | Dropped:
    """The box that a value of a box field stands for, or why it is none."""
    if isinstance(value, dict):
        value = corners({key_form(str(key)): part for key, part in value.items()})
    if isinstance(value, str):
        # Only numbers and what separates them: a sentence with four numbers is no box.
        bare = _COORDINATE_NAME.sub(" ", ascii_forms(value))
        value = numbers_in(value) if not re.search(r"[^\W\deEpx]", bare) else None
    if isinstance(value, list) and len(value) == 2 and all(isinstance(p, list) and len(p) == 2 for p in value):
        value = [*value[0], *value[1]]
    if not (isinstance(value, list) and len(value) == 4):
        return Dropped.NOT_FOUR_NUMBERS
    x1, y1, x2, y2 = (_number(part) for part in value)
    if x1 is None or y1 is None or x2 is None or y2 is None:
        return Dropped.NOT_FOUR_NUMBERS
    if not all(math.isfinite(number) for number in (x1, y1, x2, y2)):
        return Dropped.NOT_FINITE
    if x1 > x2 or y1 > y2:
        return Dropped.REVERSED_CORNERS
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else Dropped.ZERO_AREA


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if isinstance(value, str):
        plain = ascii_forms(value).strip()
        if plain.lower() in _NOT_FINITE:
            return math.nan
        match = _NUMBER.fullmatch(plain)
        return float(match[1]) if match else None
    return None


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
