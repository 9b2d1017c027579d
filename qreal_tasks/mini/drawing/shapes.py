"""The pieces that figures are made of, and the few ways of bending them.

A figure lives in its own units: x grows to the right with 0 in the middle, y grows downwards with 0 on the
ground, so that everything visible has y < 0; a standing adult is about 1 unit high. All geometry is polygons,
so that a deformation is a function of points and needs no knowledge of what it deforms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Shape (N, 2)."""
Rgb = tuple[int, int, int]
HOLE = "hole"
"""Tag of a shape that is cut out of what lies below it, so that the backdrop shows."""


@dataclass(frozen=True)
class Shape:
    """A filled polygon.

    Attributes:
        tag: the body or object part it belongs to; deformations and materials choose by tag.
        outlined: whether a cartoon draws its contour.
        shaded: whether light and material act on it; off for eyes, text panels and other small marks.
    """

    tag: str
    points: Points
    colour: Rgb
    outlined: bool = True
    shaded: bool = True
    material: str | None = None


@dataclass(frozen=True)
class Text:
    """A line of text, centred."""

    centre: Points
    height: float
    """Height of a capital letter, figure units."""
    text: str
    colour: Rgb
    degrees: float = 0.0
    tag: str = "text"


Piece = Shape | Text


def make_points(*pairs: tuple[float, float]) -> Points:
    """An (N, 2) array from pairs."""
    return np.array(pairs, dtype=np.float64)


def ellipse(
    x: float, y: float, rx: float, ry: float, *, start: float = 0.0, stop: float = 360.0, count: int = 36
) -> Points:
    """An ellipse, or the sector between two angles in degrees (clockwise from the right)."""
    angles = np.radians(np.linspace(start, stop, count))
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)


def box(x: float, y: float, width: float, height: float, radius: float = 0.0) -> Points:
    """A rectangle around (x, y), with rounded corners."""
    r = min(radius, width / 2, height / 2)
    if r <= 0:
        dx, dy = width / 2, height / 2
        return make_points((x - dx, y - dy), (x + dx, y - dy), (x + dx, y + dy), (x - dx, y + dy))
    dx, dy = width / 2 - r, height / 2 - r
    corners = [
        (x + dx, y + dy, 0.0),
        (x - dx, y + dy, 90.0),
        (x - dx, y - dy, 180.0),
        (x + dx, y - dy, 270.0),
    ]
    return np.concatenate([ellipse(cx, cy, r, r, start=a, stop=a + 90, count=8) for cx, cy, a in corners])


def curve(*knots: tuple[float, float], count: int = 24) -> Points:
    """A quadratic Bézier that passes halfway through the middle one of three knots, or a straight line."""
    t = np.linspace(0.0, 1.0, count)[:, None]
    first, last = np.array(knots[0]), np.array(knots[-1])
    if len(knots) == 2:
        return np.asarray((1 - t) * first + t * last)
    control = 2 * np.array(knots[1]) - (first + last) / 2
    return np.asarray((1 - t) ** 2 * first + 2 * t * (1 - t) * control + t**2 * last)


def ribbon(line: Points, width: float, end_width: float | None = None, *, round_ends: bool = True) -> Points:
    """The outline of a line drawn with a brush whose width changes from ``width`` to ``end_width``."""
    half = np.linspace(width, width if end_width is None else end_width, len(line))[:, None] / 2
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    normal = np.stack([along[:, 1], -along[:, 0]], axis=1)
    sides = [line + half * normal, (line - half * normal)[::-1]]
    if not round_ends:
        return np.concatenate(sides)
    turn = np.radians(np.linspace(0, 180, 9))[1:-1, None]

    def cap(at: int, forward: float) -> Points:
        n, a = normal[at] * forward, along[at] * forward
        return np.asarray(line[at] + half[at] * (np.cos(turn) * n + np.sin(turn) * a))

    return np.concatenate([sides[0], cap(-1, 1.0), sides[1], cap(0, -1.0)])


def limb(*knots: tuple[float, float], width: float, end_width: float | None = None) -> Points:
    """A tapering arm, leg, tail or neck through its knots."""
    return ribbon(curve(*knots), width, end_width)


def warp(pieces: Iterable[Piece], bend: Callable[[Points], Points], tags: Sequence[str] = ()) -> list[Piece]:
    """The pieces with ``bend`` applied to those that carry one of ``tags`` (all of them when empty)."""

    def one(piece: Piece) -> Piece:
        if tags and piece.tag not in tags:
            return piece
        if isinstance(piece, Text):
            return replace(piece, centre=bend(piece.centre[None])[0])
        return replace(piece, points=bend(piece.points))

    return [one(piece) for piece in pieces]


def scaling(x: float, y: float, sx: float, sy: float) -> Callable[[Points], Points]:
    """Stretch about a fixed point."""
    centre, factor = np.array([x, y]), np.array([sx, sy])
    return lambda p: np.asarray(centre + (p - centre) * factor)


def moving(dx: float, dy: float) -> Callable[[Points], Points]:
    """Shift."""
    shift = np.array([dx, dy])
    return lambda p: np.asarray(p + shift)


def rotating(x: float, y: float, degrees: float) -> Callable[[Points], Points]:
    """Turn clockwise about a fixed point."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    centre, matrix = np.array([x, y]), np.array([[c, s], [-s, c]])
    return lambda p: np.asarray(centre + (p - centre) @ matrix)


def shearing(y: float, amount: float) -> Callable[[Points], Points]:
    """Lean sideways; the line at height ``y`` stays where it is."""
    return lambda p: np.stack([p[:, 0] + amount * (y - p[:, 1]), p[:, 1]], axis=1)


def waving(y: float, size: float, length: float) -> Callable[[Points], Points]:
    """Swing sideways like a noodle; the line at height ``y`` stays where it is."""
    return lambda p: np.stack([p[:, 0] + size * np.sin((p[:, 1] - y) * (2 * np.pi / length)), p[:, 1]], axis=1)


def arching(size: float, half_width: float) -> Callable[[Points], Points]:
    """Sag in the middle and rise at both ends, like a banana."""
    return lambda p: np.stack([p[:, 0], p[:, 1] - size * (p[:, 0] / half_width) ** 2], axis=1)


def spreading(y: float, factor: float) -> Callable[[Points], Points]:
    """Flow apart below the height ``y``, like wax."""
    return lambda p: np.stack([p[:, 0] * (1 + factor * np.clip(1 - p[:, 1] / y, 0, 1) ** 2), p[:, 1]], axis=1)


def dripping(x: float, top: float, bottom: float, drops: Sequence[tuple[float, float]]) -> Points:
    """A bar from ``-x`` to ``x`` whose lower edge hangs down in drops; each has a place and a length."""
    along = np.linspace(-x, x, 60)
    edge = np.full(60, bottom)
    for at, length in drops:
        edge += length * np.exp(-(np.abs((along - at) / 0.034) ** 3))
    lower, upper = np.stack([along, edge], axis=1), np.stack([along[::-1], np.full(60, top)], axis=1)
    return np.concatenate([lower, upper])


def measure_extent(pieces: Iterable[Piece]) -> NDArray[Any]:
    """x1, y1, x2, y2 of all polygons, figure units."""
    every = np.concatenate([piece.points for piece in pieces if isinstance(piece, Shape)])
    return np.concatenate([every.min(axis=0), every.max(axis=0)])


def find_top(pieces: Sequence[Piece], x: float) -> float:
    """The highest y of all polygons in the column ``x``; their highest of all where none reaches that column."""
    crossings = []
    for piece in pieces:
        if isinstance(piece, Shape):
            here, there = piece.points, np.roll(piece.points, -1, axis=0)
            across = (here[:, 0] - x) * (there[:, 0] - x) < 0
            a, b = here[across], there[across]
            crossings.append(a[:, 1] + (x - a[:, 0]) / (b[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1]))
    found = np.concatenate(crossings)
    return float(found.min()) if len(found) else float(measure_extent(pieces)[1])
