"""Parts that do not belong to what they are put on: a wind-up key, a hole right through, a hat."""

from __future__ import annotations

from qreal_tasks.mini.drawing.shapes import HOLE, Piece, Rgb, Shape, box, ellipse, make_points, ribbon, rotating, warp
from qreal_tasks.mini.figures.colours import darken

_METAL: Rgb = (196, 164, 84)


def wind_up_key(x: float, y: float, degrees: float, size: float = 1.0) -> list[Piece]:
    """A key that sticks out of (x, y), upwards for 0 degrees, to the right for 90."""
    bows = [
        ribbon(ellipse(x + dx * size, y - 0.17 * size, 0.06 * size, 0.05 * size), 0.035 * size) for dx in (-0.07, 0.07)
    ]
    shaft = box(x, y - 0.06 * size, 0.045 * size, 0.16 * size)
    pieces: list[Piece] = [Shape("key", points, _METAL) for points in (shaft, *bows)]
    return warp(pieces, rotating(x, y, degrees))


def hole(x: float, y: float, radius: float, around: Rgb) -> list[Piece]:
    """A round hole with a wall in the shade."""
    wall = Shape("wall of the hole", ellipse(x, y, radius * 1.25, radius * 1.25), darken(around, 0.45), shaded=False)
    return [wall, Shape(HOLE, ellipse(x, y, radius, radius), around)]


def hat(x: float, y: float, size: float) -> list[Piece]:
    """A bowler hat whose brim is at (x, y)."""
    felt: Rgb = (72, 60, 68)
    crown = ellipse(x, y, 0.085 * size, 0.11 * size, start=180, stop=360)
    band = make_points((-0.085, -0.028), (0.085, -0.028), (0.085, 0.0), (-0.085, 0.0)) * size + make_points((x, y))
    return [
        Shape("hat", crown, felt),
        Shape("hat", band, (180, 60, 60), outlined=False),
        Shape("hat", ellipse(x, y + 0.004 * size, 0.135 * size, 0.022 * size), felt),
    ]
