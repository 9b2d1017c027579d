"""Boxes whose numbers have names: corners, a corner with a size, a centre with a size.

>>> named_box({"x": 10, "y": 20, "width": 20, "height": 30})
[10.0, 20.0, 30.0, 50.0]
>>> named_box({"cx": 20, "cy": 35, "w": 20, "h": 30})
[10.0, 20.0, 30.0, 50.0]
>>> named_numbers("ymin=20, xmin=10, ymax=50, xmax=30")
{'ymin': 20.0, 'xmin': 10.0, 'ymax': 50.0, 'xmax': 30.0}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from qreal_tasks.answers.plain import ascii_forms

NUMBER = r"[-+]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][-+]?\d{1,3})?"

_CORNERS = (
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("x_1", "y_1", "x_2", "y_2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("min_x", "min_y", "max_x", "max_y"),
    ("minx", "miny", "maxx", "maxy"),
    ("left", "top", "right", "bottom"),
    ("top_left_x", "top_left_y", "bottom_right_x", "bottom_right_y"),
)
_CORNER_WITH_SIZE = (("x", "y"), ("left", "top"), *(names[:2] for names in _CORNERS))
_CENTRES = (
    ("cx", "cy"),
    ("xc", "yc"),
    *((f"{word}_x", f"{word}_y") for word in ("center", "centre")),
    *((f"x_{word}", f"y_{word}") for word in ("center", "centre")),
    *((f"x{word}", f"y{word}") for word in ("center", "centre")),
)
_SIZES = (("width", "height"), ("w", "h"))
_TWO_CORNERS = (
    ("top_left", "bottom_right"),
    ("topleft", "bottomright"),
    ("upper_left", "lower_right"),
    ("left_top", "right_bottom"),
    ("tl", "br"),
    ("min", "max"),
    ("start", "end"),
    ("p1", "p2"),
    ("point1", "point2"),
)
_OTHER_CORNERS = (("bottom_left", "top_right"), ("lower_left", "upper_right"), ("bl", "tr"))
_INSIDE = ("position", "location", "point", "origin", "size", "dimensions", "center", "centre")
"""Names under which some of the numbers stand in an object of their own."""
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


def key_form(key: str) -> str:
    """A key in small letters, its words joined by ``_``.

    >>> key_form(" Bounding Box ")
    'bounding_box'
    """
    return key.strip().lower().replace(" ", "_").replace("-", "_")


def named_box(value: Mapping[str, object]) -> list[object] | None:
    """The box as x1, y1, x2, y2 of an object whose keys are in the form of ``key_form``; None when they name none.

    ``x, y, width, height`` are the top left corner and a size; a centre must be called one. What is no number stays
    as it is, for the reader of boxes to refuse.
    """
    if _ALL_NAMES.isdisjoint(value):
        return None
    flat = {**value}
    for name in _INSIDE:
        if isinstance(inner := value.get(name), Mapping):
            flat |= {key_form(str(key)): item for key, item in inner.items()}
    x_range, y_range = (part if isinstance(part := flat.get(name), list) else [] for name in ("x", "y"))
    if len(x_range) == len(y_range) == 2:
        return [x_range[0], y_range[0], x_range[1], y_range[1]]
    for names in _CORNERS:
        if all(name in flat for name in names):
            return [flat[name] for name in names]
    for first, second in (*_TWO_CORNERS, *_OTHER_CORNERS):
        low, high = point_of(flat.get(first)), point_of(flat.get(second))
        if low and high:
            return [*low, *high] if (first, second) in _TWO_CORNERS else [low[0], high[1], high[0], low[1]]
    size = next(([flat[w], flat[h]] for w, h in _SIZES if w in flat and h in flat), None) or point_of(flat.get("size"))
    centre = point_of(flat.get("center")) or point_of(flat.get("centre"))
    centre = centre or next(([flat[x], flat[y]] for x, y in _CENTRES if x in flat and y in flat), None)
    if size and centre:
        return _from_size(centre, size, share=0.5)
    corner = next((point for name in _INSIDE[:4] if (point := point_of(flat.get(name)))), None)
    corner = next(([flat[x], flat[y]] for x, y in _CORNER_WITH_SIZE if x in flat and y in flat), corner)
    corner = corner or next((point for name, _ in _TWO_CORNERS[:5] if (point := point_of(flat.get(name)))), None)
    return _from_size(corner, size, share=0.0) if size and corner else None


def point_of(value: object) -> list[object] | None:
    """The two coordinates of a point, as a pair or as an object with x and y."""
    if isinstance(value, Mapping):
        value = [value.get("x"), value.get("y")] if {"x", "y"} <= value.keys() else None
    return list(value) if isinstance(value, list | tuple) and len(value) == 2 else None


def _from_size(point: Sequence[object], size: Sequence[object], share: float) -> list[object]:
    """From a point that lies ``share`` of the size behind the top left corner."""
    numbers = [number_of(part) for part in (*point, *size)]
    if any(number is None for number in numbers):
        return [*point, *size]
    x, y, width, height = (number or 0.0 for number in numbers)
    left, top = x - share * width, y - share * height
    return [left, top, left + width, top + height]


def coordinate_names(value: Mapping[str, object]) -> frozenset[str]:
    """Keys of an object that names no box under which coordinates stand all the same: a point, a polygon, x and y
    without a size."""
    names = _HINTS & value.keys()
    return frozenset(names if len(names) > 1 or any(isinstance(value[name], list) for name in names) else ())


def named_numbers(text: str) -> dict[str, float] | None:
    """Numbers with the names of sides in a text, such as "left: 1, top: 2, width: 3, height: 4"; None unless all its
    numbers have one."""
    plain = ascii_forms(text)
    found = {
        re.sub("[ -]", "_", match["name"].lower()): float(match["number"]) for match in _NAMED_NUMBER.finditer(plain)
    }
    bare = _NAMED_NUMBER.sub(" ", plain)
    return found if len(found) >= 4 and not re.search(r"\d", bare) else None


_NUMBER = re.compile(rf"\s*(?:[xXyY]_?(?:1|2|min|max)\s*[=:]\s*)?({NUMBER})\s*(?:px)?\s*", re.ASCII)
_NOT_FINITE = frozenset(("nan", "inf", "infinity", "-inf", "-infinity", "+inf", "+infinity"))


def number_of(value: object) -> float | None:
    """A number, also as text with a unit or a name ("12px", "x1=12"); infinite or NaN when it says so."""
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
