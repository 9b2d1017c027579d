"""A car seen from the side."""

from __future__ import annotations

import random

import numpy as np

from qreal_tasks.mini.drawing.shapes import (
    Piece,
    Rgb,
    Shape,
    arching,
    box,
    ellipse,
    make_points,
    ribbon,
    scaling,
    warp,
)
from qreal_tasks.mini.figures.colours import INK, PAINT, WHITE, darken
from qreal_tasks.mini.figures.lettering import lettering
from qreal_tasks.mini.plan import EntityPlan

_WHEEL = 0.1
_GLASS: Rgb = (176, 208, 220)
_ROOF_Y = -0.46
_BELT_Y = -0.285


def draw_car(plan: EntityPlan) -> list[Piece]:
    """Body, cabin, wheels and lettering on the door; it drives to the left or to the right."""
    rng = random.Random(plan.seed)
    paint, direction = rng.choice(PAINT), rng.choice((-1.0, 1.0))
    cabin = _cabin(paint)
    if plan.has("tall_cabin"):
        cabin = warp(cabin, scaling(0, _BELT_Y, 1.0, 2.5))
    pieces: list[Piece] = [*cabin, *_body(paint)]
    pieces = warp(pieces, scaling(0, 0, direction, 1.0))
    if plan.has("bent_body"):
        pieces = warp(pieces, arching(0.2, 0.5))
    pieces += _wheels(plan)
    if plan.text:
        # Clear of a giant wheel; last, so that no wheel covers it.
        giant = plan.flaw("giant_wheel")
        x = 0.0 if giant is None else 0.09 if giant.choice == "left" else -0.09
        pieces.append(Shape("panel", box(x, -0.225, 0.36, 0.1, 0.015), WHITE, outlined=False, shaded=False))
        pieces.append(lettering(plan.text, x, -0.225, 0.34, 0.075))
    return pieces


def _body(paint: Rgb) -> list[Piece]:
    """The lower part, with points along its edges so that it can be bent."""
    top = np.linspace(-0.5, 0.5, 24)
    upper = np.stack([top, np.where(np.abs(top) > 0.46, _BELT_Y + 0.05, _BELT_Y)], axis=1)
    sill = np.stack([np.linspace(-0.5, 0.5, 12), np.full(12, -0.125)], axis=1)
    lower = np.stack([top[::-1], np.full(24, -0.1)], axis=1)
    return [
        Shape("body", np.concatenate([upper, lower]), paint),
        Shape("body", box(0.47, -0.225, 0.05, 0.05, 0.02), (252, 232, 148), shaded=False),
        Shape("body", box(-0.475, -0.225, 0.035, 0.06, 0.015), (208, 48, 44), shaded=False),
        Shape("body", ribbon(sill, 0.03), darken(paint, 0.6), outlined=False),
    ]


def _cabin(paint: Rgb) -> list[Piece]:
    """Roof and two windows."""
    shell = make_points((-0.36, _BELT_Y + 0.01), (-0.27, _ROOF_Y), (0.13, _ROOF_Y), (0.28, _BELT_Y + 0.01))
    rear = make_points(
        (-0.305, _BELT_Y - 0.005),
        (-0.245, _ROOF_Y + 0.03),
        (-0.075, _ROOF_Y + 0.03),
        (-0.075, _BELT_Y - 0.005),
    )
    front = make_points(
        (-0.045, _BELT_Y - 0.005), (-0.045, _ROOF_Y + 0.03), (0.115, _ROOF_Y + 0.03), (0.225, _BELT_Y - 0.005)
    )
    windows: list[Piece] = [Shape("window", pane, _GLASS, shaded=False) for pane in (rear, front)]
    return [Shape("cabin", shell, paint), *windows]


def _wheel(x: float, y: float, *, square: bool = False) -> list[Piece]:
    """Tyre, rim and hub."""
    tyre = box(x, y, 2.1 * _WHEEL, 2 * _WHEEL) if square else ellipse(x, y, _WHEEL, _WHEEL)
    rim = box(x, y, _WHEEL, _WHEEL) if square else ellipse(x, y, 0.56 * _WHEEL, 0.56 * _WHEEL)
    return [
        Shape("wheel", tyre, (52, 52, 56)),
        Shape("wheel", rim, (188, 192, 196)),
        Shape("wheel", ellipse(x, y, 0.18 * _WHEEL, 0.18 * _WHEEL), INK, outlined=False, shaded=False),
    ]


def _wheels(plan: EntityPlan) -> list[Piece]:
    """Two wheels, or what was planned instead of them."""
    pieces: list[Piece] = []
    for side, x in (("left", -0.29), ("right", 0.29)):
        if plan.has("missing_wheel", side):
            arch = ellipse(x, -0.1, 0.105, 0.1, start=180, stop=360)
            pieces.append(Shape("arch", arch, INK, outlined=False, shaded=False))
            continue
        wheel = _wheel(x, -_WHEEL, square=plan.has("square_wheel", side))
        giant = plan.has("giant_wheel", side)
        pieces += warp(wheel, scaling(x, 0, 1.75, 1.75)) if giant else wheel
    if plan.has("extra_wheel"):
        pieces += _wheel(0.0, -_WHEEL)
    if plan.has("roof_wheel"):
        pieces += _wheel(-0.07, _ROOF_Y - 0.09)
    return pieces
