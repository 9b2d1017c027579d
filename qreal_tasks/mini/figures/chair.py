"""A wooden chair seen from the front, a little from above."""

from __future__ import annotations

import random

import numpy as np

from qreal_tasks.mini.drawing.shapes import (
    Piece,
    Points,
    Rgb,
    Shape,
    box,
    dripping,
    make_points,
    ribbon,
    shearing,
    warp,
    waving,
)
from qreal_tasks.mini.figures.colours import WOOD, darken
from qreal_tasks.mini.plan import EntityPlan

_SEAT_Y = -0.4


def draw_chair(plan: EntityPlan) -> list[Piece]:
    """Backrest, seat and legs."""
    rng = random.Random(plan.seed)
    wood = rng.choice(WOOD)
    back = _back(wood)
    if plan.has("legs_on_top"):
        back += [Shape("back", _bar(x, -0.95, x * 1.5, -1.3, 0.055), wood) for x in (-0.14, 0.14)]
    lean = plan.flaw("leaning_back")
    if lean is not None:
        back = warp(back, shearing(_SEAT_Y, -0.75 if lean.choice == "left" else 0.75))
    far = _legs(darken(wood, 0.7), {"far left": -0.13, "far right": 0.13}, -0.07, plan)
    near_at = {"left": -0.2, "right": 0.2, **({"middle": 0.0} if plan.has("extra_leg") else {})}
    near = _legs(wood, near_at, 0.0, plan)
    return [*far, *back, *near, *(_molten_seat(wood) if plan.has("sagging_seat") else _seat(wood))]


def _back(wood: Rgb) -> list[Piece]:
    """Two posts and three rails."""
    pieces: list[Piece] = [
        Shape("back", _bar(x, _SEAT_Y - 0.02, x * 1.06, -0.98, 0.05), darken(wood, 0.9)) for x in (-0.165, 0.165)
    ]
    for y in (-0.92, -0.77, -0.62):
        pieces.append(Shape("back", box(0, y, 0.36, 0.075, 0.02), wood))
    return pieces


def _bar(x1: float, y1: float, x2: float, y2: float, width: float) -> Points:
    """A straight bar with enough points to be bent."""
    line = np.stack([np.linspace(x1, x2, 24), np.linspace(y1, y2, 24)], axis=1)
    return ribbon(line, width, width * 0.85, round_ends=False)


def _legs(wood: Rgb, at: dict[str, float], ground: float, plan: EntityPlan) -> list[Piece]:
    """Legs by name; the far pair ends higher in the picture."""
    legs: list[Piece] = [
        Shape("leg", _bar(x, _SEAT_Y, x * 1.08, ground, 0.055), wood)
        for name, x in at.items()
        if not plan.has("missing_leg", name)
    ]
    return warp(legs, waving(_SEAT_Y, 0.05, 0.19)) if plan.has("wavy_legs") else legs


_TOP = make_points((-0.18, _SEAT_Y - 0.075), (0.18, _SEAT_Y - 0.075), (0.235, _SEAT_Y), (-0.235, _SEAT_Y))


def _seat(wood: Rgb) -> list[Piece]:
    """The seat and its front edge."""
    edge = make_points((-0.235, _SEAT_Y), (0.235, _SEAT_Y), (0.235, _SEAT_Y + 0.045), (-0.235, _SEAT_Y + 0.045))
    return [Shape("seat", edge, darken(wood, 0.8)), Shape("seat", _TOP, darken(wood, 1.1))]


def _molten_seat(wood: Rgb) -> list[Piece]:
    """The seat hangs down between the legs in four drips of different length."""
    drops = ((-0.17, 0.13), (-0.05, 0.27), (0.07, 0.17), (0.18, 0.23))
    front = dripping(0.235, _SEAT_Y - 0.01, _SEAT_Y + 0.06, drops)
    return [Shape("seat", _TOP, darken(wood, 1.1)), Shape("seat", front, darken(wood, 0.95))]
