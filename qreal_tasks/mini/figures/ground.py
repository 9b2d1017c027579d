"""The ways in which an entity stands: on the ground, on an egg, on nothing."""

from __future__ import annotations

from dataclasses import replace

from qreal_tasks.mini.drawing.shapes import (
    Piece,
    Shape,
    Text,
    curve,
    ellipse,
    find_top,
    make_points,
    measure_extent,
    moving,
    ribbon,
    rotating,
    warp,
)
from qreal_tasks.mini.figures.colours import INK
from qreal_tasks.mini.plan import EntityPlan

_RUBBER = ((216, 56, 64), (64, 132, 212), (244, 196, 56))

_OWN_MATERIAL = ("coffee", "key")
"""Tags of what is not of the entity's material."""


def add_support(pieces: list[Piece], plan: EntityPlan) -> list[Piece]:
    """The pieces lifted, tilted, hung or balanced as planned, and with an impossible material put on."""
    material = plan.flaw("material")
    if material is not None:
        pieces = [
            p if isinstance(p, Text) or p.tag in _OWN_MATERIAL else replace(p, material=material.choice) for p in pieces
        ]
    if plan.has("floating"):
        return _tumbling(pieces, plan)
    if plan.has("balloons"):
        return _hung(pieces)
    if plan.has("egg"):
        return _balanced(pieces)
    return pieces


def _tumbling(pieces: list[Piece], plan: EntityPlan) -> list[Piece]:
    """Turned by 25 degrees and lifted; the tilt is what a crop without the shadow still shows."""
    x1, y1, x2, y2 = measure_extent(pieces)
    degrees = 25.0 if sum(map(ord, plan.seed)) % 2 else -25.0
    turned = warp(pieces, rotating((x1 + x2) / 2, (y1 + y2) / 2, degrees))
    turned = [replace(p, degrees=p.degrees + degrees) if isinstance(p, Text) else p for p in turned]
    lowest = measure_extent(turned)[3]
    return warp(turned, moving(0, -lowest - 0.22 * max(y2 - y1, x2 - x1)))


def _hung(pieces: list[Piece]) -> list[Piece]:
    """Three balloons on strings above the figure, which is off the ground."""
    x1, y1, x2, y2 = measure_extent(pieces)
    size = 0.13 * max(y2 - y1, 0.8 * (x2 - x1))
    middle = (x1 + x2) / 2
    # Where the strings are tied: the top of what is below them, which of an animal is the back.
    hook = find_top(pieces, middle) + 0.06 * (y2 - y1)
    tops = [
        (middle - 2.1 * size, y1 - 2.2 * size),
        (middle, y1 - 2.9 * size),
        (middle + 2.1 * size, y1 - 2.2 * size),
    ]
    strings: list[Piece] = []
    balloons: list[Piece] = []
    for (x, y), colour in zip(tops, _RUBBER, strict=True):
        line = curve((x, y + size), (middle, hook), count=6)
        strings.append(Shape("string", ribbon(line, 0.012 * size / 0.13), INK, outlined=False, shaded=False))
        balloons.append(Shape("balloon", ellipse(x, y, 0.82 * size, size), colour))
        knot = make_points((x - 0.2 * size, y + 1.2 * size), (x, y + 0.95 * size), (x + 0.2 * size, y + 1.2 * size))
        balloons.append(Shape("balloon", knot, colour))
    return warp([*pieces, *strings, *balloons], moving(0, -0.2 * (y2 - y1)))


def _balanced(pieces: list[Piece]) -> list[Piece]:
    """On an egg that stands upright."""
    x1, y1, x2, y2 = measure_extent(pieces)
    height = 0.24 * max(y2 - y1, 0.35)
    egg = Shape("egg", ellipse((x1 + x2) / 2, -height / 2, 0.38 * height, height / 2), (240, 224, 200))
    return [egg, *warp(pieces, moving(0, -0.94 * height))]
