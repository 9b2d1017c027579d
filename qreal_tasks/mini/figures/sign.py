"""A board with a word on a post."""

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
    ellipse,
    make_points,
    ribbon,
    scaling,
    warp,
)
from qreal_tasks.mini.figures.colours import PAINT, WHITE
from qreal_tasks.mini.figures.lettering import lettering
from qreal_tasks.mini.plan import EntityPlan

_BOARD_Y, _BOARD_W, _BOARD_H = -0.72, 0.52, 0.26
_STEEL: Rgb = (144, 148, 156)


def draw_sign(plan: EntityPlan) -> list[Piece]:
    """Post, board and lettering."""
    rng = random.Random(plan.seed)
    paint = rng.choice([colour for colour in PAINT if min(colour) < 200])
    pieces = _post(plan)
    handle = plan.flaw("handle")
    if handle is not None:
        pieces += _handle(-1.0 if handle.choice == "left" else 1.0, paint)
    if plan.has("melted_board"):
        drops = ((-0.2, 0.19), (-0.09, 0.1), (0.1, 0.24), (0.21, 0.13))
        pieces.append(Shape("board", dripping(_BOARD_W / 2, _BOARD_Y, _BOARD_Y + _BOARD_H / 2 - 0.02, drops), paint))
    pieces.append(Shape("board", _board(plan, _BOARD_W, _BOARD_H), paint))
    pieces.append(Shape("panel", _board(plan, _BOARD_W - 0.06, _BOARD_H - 0.07), WHITE, outlined=False, shaded=False))
    pieces.append(lettering(plan.text, 0.0, _BOARD_Y, 0.43, 0.13))
    return pieces


def _board(plan: EntityPlan, width: float, height: float) -> Points:
    """The board's outline, square or slanted."""
    dx, dy = width / 2, height / 2
    if plan.has("skewed_board"):
        lift = np.array([(-dx, -0.02), (dx, -0.12), (dx, 0.0), (-dx, 0.07)])
        return np.asarray(lift + make_points((0.03, -dy), (0.1, -dy), (-0.06, dy), (0.0, dy)) + [0, _BOARD_Y])
    return box(0, _BOARD_Y, width, height, 0.02)


def _post(plan: EntityPlan) -> list[Piece]:
    """A steel post on a foot."""
    foot = Shape("foot", box(0, -0.015, 0.16, 0.03, 0.01), _STEEL)
    y = np.linspace(_BOARD_Y, -0.01, 40)
    x = 0.085 * np.sin((y + 0.6) * 17) * (y > -0.6) if plan.has("bent_post") else np.zeros(40)
    line = np.stack([x, y], axis=1)
    kept = [line[:18], line[30:]] if plan.has("missing_middle") else [line]
    return [foot, *(Shape("post", ribbon(run, 0.05, round_ends=False), _STEEL) for run in kept)]


def _handle(sign: float, paint: Rgb) -> list[Piece]:
    """A mug's handle at the edge of the board."""
    ring = ellipse(_BOARD_W / 2 - 0.01, _BOARD_Y, 0.11, 0.1, start=-95, stop=95)
    return warp([Shape("handle", ribbon(ring, 0.045), paint)], scaling(0, 0, sign, 1.0))
