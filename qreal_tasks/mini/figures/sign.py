"""A board with a word on a post."""

from __future__ import annotations

import random

import numpy as np

from qreal_tasks.mini.figures.colours import PAINT, SKIN, WHITE, hue_or
from qreal_tasks.mini.figures.lettering import lettering
from qreal_tasks.mini.plan import EntityPlan
from qreal_tasks.mini.shapes import (
    Piece,
    Points,
    Rgb,
    Shape,
    box,
    ellipse,
    limb,
    points_of,
    ribbon,
    scaling,
    warped,
)

_BOARD_Y, _BOARD_W, _BOARD_H = -0.72, 0.52, 0.26
_STEEL: Rgb = (144, 148, 156)


def draw_sign(plan: EntityPlan) -> list[Piece]:
    """Post, board and lettering."""
    rng = random.Random(plan.seed)
    paint = rng.choice([colour for colour in PAINT if min(colour) < 200])
    pieces = _post(plan)
    arm = plan.flaw("hands")
    if arm is not None:
        pieces += _arm(hue_or(rng.choice(SKIN), plan), -1.0 if arm.choice == "left" else 1.0)
    pieces.append(Shape("board", _board(plan, _BOARD_W, _BOARD_H), paint))
    pieces.append(Shape("panel", _board(plan, _BOARD_W - 0.06, _BOARD_H - 0.07), WHITE, outlined=False, shaded=False))
    x, width = {"left": (0.075, 0.28), "right": (-0.075, 0.28), "": (0.0, 0.43)}[_torn_side(plan)]
    pieces.append(lettering(plan.text, x, _BOARD_Y, width, 0.13))
    return pieces


def _torn_side(plan: EntityPlan) -> str:
    flaw = plan.flaw("torn_board")
    return "" if flaw is None else flaw.choice


def _board(plan: EntityPlan, width: float, height: float) -> Points:
    """The board's outline: square, slanted, or with a corner torn off."""
    dx, dy = width / 2, height / 2
    if plan.has("skewed_board"):
        lift = np.array([(-dx, -0.02), (dx, -0.12), (dx, 0.0), (-dx, 0.07)])
        return np.asarray(lift + points_of((0.03, -dy), (0.1, -dy), (-0.06, dy), (0.0, dy)) + [0, _BOARD_Y])
    side = _torn_side(plan)
    if not side:
        return box(0, _BOARD_Y, width, height, 0.02)
    torn = points_of((-dx, -dy), (dx * 0.38, -dy), (dx * 0.5, -dy * 0.5), (dx * 0.42, -dy * 0.1),
                     (dx * 0.66, 0.0), (dx * 0.62, dy * 0.4),
                     (dx * 0.82, dy * 0.55), (dx * 0.8, dy), (-dx, dy))  # fmt: skip
    return np.asarray(torn * [-1 if side == "left" else 1, 1] + [0, _BOARD_Y])


def _post(plan: EntityPlan) -> list[Piece]:
    """A steel post on a foot."""
    foot = Shape("foot", box(0, -0.015, 0.16, 0.03, 0.01), _STEEL)
    y = np.linspace(_BOARD_Y, -0.01, 40)
    x = 0.085 * np.sin((y + 0.6) * 17) * (y > -0.6) if plan.has("bent_post") else np.zeros(40)
    line = np.stack([x, y], axis=1)
    kept = [line[:18], line[30:]] if plan.has("missing_middle") else [line]
    pieces: list[Piece] = [
        foot,
        *(Shape("post", ribbon(run, 0.05, round_ends=False), _STEEL) for run in kept),
    ]
    if plan.has("post_on_top"):
        top = np.stack([np.zeros(8), np.linspace(_BOARD_Y, _BOARD_Y - 0.42, 8)], axis=1)
        pieces.append(Shape("post", ribbon(top, 0.05, round_ends=False), _STEEL))
    return pieces


def _arm(skin: Rgb, sign: float) -> list[Piece]:
    """A human arm out of the edge of the board, hand up."""
    arm = limb((0.2, _BOARD_Y), (0.4, _BOARD_Y + 0.03), (0.42, _BOARD_Y - 0.14), width=0.075, end_width=0.06)
    pieces: list[Piece] = [Shape("arm", arm, skin)]
    for turn in np.radians([-62, -30, 0, 30, 62]):
        tip = (0.42 + 0.12 * np.sin(turn), _BOARD_Y - 0.18 - 0.12 * np.cos(turn))
        pieces.append(Shape("arm", limb((0.42, _BOARD_Y - 0.18), tip, width=0.034), skin))
    pieces.append(Shape("arm", ellipse(0.42, _BOARD_Y - 0.18, 0.052, 0.052), skin))
    return warped(pieces, scaling(0, 0, sign, 1.0))
