"""Parser of boxes whose numbers have names: corners, a corner with a size, a centre with a size.

>>> resolve_named_box({"x": 10, "y": 20, "width": 20, "height": 30})
[10.0, 20.0, 30.0, 50.0]
>>> resolve_named_box({"cx": 20, "cy": 35, "w": 20, "h": 30})
[10.0, 20.0, 30.0, 50.0]
>>> extract_named_numbers("ymin=20, xmin=10, ymax=50, xmax=30")
{'ymin': 20.0, 'xmin': 10.0, 'ymax': 50.0, 'xmax': 30.0}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qreal_tasks.answers.characters import to_halfwidth
from qreal_tasks.files.package_tables import load_table

NUMBER = r"[-+]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][-+]?\d{1,3})?"

_TABLE: dict[str, Any] = load_table(Path(__file__).with_suffix(".yaml"))
_CORNERS, _CENTRES, _SIZES = _TABLE["corners"], _TABLE["centres"], _TABLE["sizes"]
_TWO_CORNERS, _OTHER_CORNERS, _INSIDE = _TABLE["two_corners"], _TABLE["other_corners"], _TABLE["inside"]
_CORNER_WITH_SIZE = (("x", "y"), ("left", "top"), *(names[:2] for names in _CORNERS))
_HINTS = frozenset(
    [name for names in (*_CORNERS, *_CENTRES, *_TWO_CORNERS[:5], *_OTHER_CORNERS) for name in names]
    + ["x", "y", "width", "height", "point_2d", "points", "polygon", "center", "centre"]
) - {"left", "right", "top", "bottom"}

_ALL_NAMES = frozenset(
    name
    for names in (*_CORNERS, *_CORNER_WITH_SIZE, *_CENTRES, *_SIZES, *_TWO_CORNERS, *_OTHER_CORNERS, _INSIDE)
    for name in names
)
_NAMES = sorted(
    {name for names in (*_CORNERS[:-1], *_CORNER_WITH_SIZE[:2], *_CENTRES, *_SIZES) for name in names},
    key=len,
    reverse=True,
)
SIDE_NAME = "|".join(name.replace("_", "[ _-]") for name in _NAMES)
_NAMED_NUMBER = re.compile(
    rf"(?<![^\W_])(?P<name>{SIDE_NAME})[\"']?\s{{0,4}}[=:]\s{{0,4}}(?P<number>{NUMBER})", re.ASCII | re.I
)


def normalise_key(key: str) -> str:
    """A key in small letters, its words joined by ``_``.

    >>> normalise_key(" Bounding Box ")
    'bounding_box'
    """
    return key.strip().lower().replace(" ", "_").replace("-", "_")


def resolve_named_box(value: Mapping[str, object]) -> list[object] | None:
    """The box as x1, y1, x2, y2 of an object whose keys are in the form of ``normalise_key``; None when they name none.

    ``x, y, width, height`` are the top left corner and a size; a centre must be called one. What is no number stays
    as it is, for the reader of boxes to refuse.
    """
    if _ALL_NAMES.isdisjoint(value):
        return None
    flat = {**value}
    for name in _INSIDE:
        if isinstance(inner := value.get(name), Mapping):
            flat |= {normalise_key(str(key)): item for key, item in inner.items()}
    x_range, y_range = (part if isinstance(part := flat.get(name), list) else [] for name in ("x", "y"))
    if len(x_range) == len(y_range) == 2:
        return [x_range[0], y_range[0], x_range[1], y_range[1]]
    for names in _CORNERS:
        if all(name in flat for name in names):
            return [flat[name] for name in names]
    for first, second in (*_TWO_CORNERS, *_OTHER_CORNERS):
        low, high = parse_point(flat.get(first)), parse_point(flat.get(second))
        if low and high:
            return [*low, *high] if [first, second] in _TWO_CORNERS else [low[0], high[1], high[0], low[1]]
    size = next(([flat[w], flat[h]] for w, h in _SIZES if w in flat and h in flat), None)
    size = size or parse_point(flat.get("size"))
    centre = parse_point(flat.get("center")) or parse_point(flat.get("centre"))
    centre = centre or next(([flat[x], flat[y]] for x, y in _CENTRES if x in flat and y in flat), None)
    if size and centre:
        return _box_from_size(centre, size, share=0.5)
    corner = next((point for name in _INSIDE[:4] if (point := parse_point(flat.get(name)))), None)
    corner = next(([flat[x], flat[y]] for x, y in _CORNER_WITH_SIZE if x in flat and y in flat), corner)
    corner = corner or next((point for name, _ in _TWO_CORNERS[:5] if (point := parse_point(flat.get(name)))), None)
    return _box_from_size(corner, size, share=0.0) if size and corner else None


def parse_point(value: object) -> list[object] | None:
    """The two coordinates of a point, as a pair or as an object with x and y."""
    if isinstance(value, Mapping):
        value = [value.get("x"), value.get("y")] if {"x", "y"} <= value.keys() else None
    return list(value) if isinstance(value, list | tuple) and len(value) == 2 else None


def _box_from_size(point: Sequence[object], size: Sequence[object], share: float) -> list[object]:
    """The box around a point that lies ``share`` of the size behind its top left corner."""
    numbers = [parse_number(part) for part in (*point, *size)]
    if any(number is None for number in numbers):
        return [*point, *size]
    x, y, width, height = (number or 0.0 for number in numbers)
    left, top = x - share * width, y - share * height
    return [left, top, left + width, top + height]


def find_coordinate_names(value: Mapping[str, object]) -> frozenset[str]:
    """Keys of an object that names no box under which coordinates stand all the same: a point, a polygon, x and y
    without a size."""
    names = _HINTS & value.keys()
    return frozenset(names if len(names) > 1 or any(isinstance(value[name], list) for name in names) else ())


def extract_named_numbers(text: str) -> dict[str, float] | None:
    """Numbers with the names of sides in a text, such as "left: 1, top: 2, width: 3, height: 4"; None unless all its
    numbers have one."""
    plain = to_halfwidth(text)
    found = {
        re.sub("[ -]", "_", match["name"].lower()): float(match["number"]) for match in _NAMED_NUMBER.finditer(plain)
    }
    bare = _NAMED_NUMBER.sub(" ", plain)
    return found if len(found) >= 4 and not re.search(r"\d", bare) else None


_NUMBER = re.compile(rf"\s*(?:[xXyY]_?(?:1|2|min|max)\s*[=:]\s*)?({NUMBER})\s*(?:px)?\s*", re.ASCII)
_NOT_FINITE = frozenset(("nan", "inf", "infinity", "-inf", "-infinity", "+inf", "+infinity"))


def parse_number(value: object) -> float | None:
    """A number, also as text with a unit or a name ("12px", "x1=12"); infinite or NaN when it says so."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if isinstance(value, str):
        plain = to_halfwidth(value).strip()
        if plain.lower() in _NOT_FINITE:
            return math.nan
        match = _NUMBER.fullmatch(plain)
        return float(match[1]) if match else None
    return None
