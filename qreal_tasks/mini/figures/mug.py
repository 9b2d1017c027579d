"""A mug of coffee."""

from __future__ import annotations

import random

import numpy as np

from qreal_tasks.mini.drawing.shapes import Piece, Points, Rgb, Shape, box, ellipse, ribbon, shearing, spreading, warp
from qreal_tasks.mini.figures.colours import PAINT, WHITE, darken
from qreal_tasks.mini.figures.lettering import lettering
from qreal_tasks.mini.plan import EntityPlan

_W, _H = 0.36, 0.42
_COFFEE: Rgb = (96, 60, 36)


def draw_mug(plan: EntityPlan) -> list[Piece]:
    """Handle, wall, coffee and lettering."""
    rng = random.Random(plan.seed)
    glaze, side = rng.choice(PAINT), rng.choice((-1.0, 1.0))
    pieces: list[Piece] = [*_handles(plan, glaze, side), Shape("wall", _wall(), glaze)]
    pieces.append(Shape("rim", ellipse(0, -_H, _W / 2, 0.05), darken(glaze, 1.1)))
    if plan.has("coffee_column"):
        column = np.concatenate([ellipse(0, -_H, 0.14, 0.036, stop=180), ellipse(0, -_H - 0.3, 0.14, 0.036, start=180)])
        pieces.append(Shape("coffee", column, _COFFEE))
        pieces.append(Shape("coffee", ellipse(0, -_H - 0.3, 0.14, 0.036), darken(_COFFEE, 1.4)))
    else:
        pieces.append(Shape("coffee", ellipse(0, -_H + 0.004, 0.15, 0.036), _COFFEE, shaded=False))
    if plan.text:
        pieces.append(Shape("panel", box(0, -0.2, 0.31, 0.14, 0.02), WHITE, outlined=False, shaded=False))
        pieces.append(lettering(plan.text, 0, -0.2, 0.29, 0.1))
    return _deformed(pieces, plan)


def _wall() -> Points:
    """A cylinder seen slightly from above, with points along its sides so that it can be bent."""
    y = np.linspace(-_H, -0.03, 16)
    right = np.stack([np.full_like(y, _W / 2), y], axis=1)
    foot = ellipse(0, -0.045, _W / 2, 0.045, stop=180, count=20)
    return np.concatenate([right, foot, (right * [-1, 1])[::-1]])


def _handle(x: float, y: float, size: float, start: float, stop: float) -> Points:
    """A part of a ring."""
    return ribbon(ellipse(x, y, 0.105 * size, 0.12 * size, start=start, stop=stop), 0.042)


def _handles(plan: EntityPlan, glaze: Rgb, side: float) -> list[Piece]:
    """One handle, or what was planned in its place."""
    edge = _W / 2 - 0.012
    if plan.has("handle_on_top"):
        return [Shape("handle", _handle(0, -_H - 0.03, 1.1, 165, 375), glaze)]
    right = [Shape("handle", _handle(edge, -0.22, 1.0, -95, 95), glaze)]
    if plan.has("loose_handle"):
        return list(warp(right, lambda p: (p + np.array([0.12, 0])) * [side, 1]))
    if plan.has("three_handles"):
        pair = [Shape("handle", _handle(edge, y, 0.72, -95, 95), glaze) for y in (-0.315, -0.125)]
        return list(warp([*pair, *warp(right, lambda p: p * [-1, 1])], lambda p: p * [side, 1]))
    return list(warp(right, lambda p: p * [side, 1]))


def _deformed(pieces: list[Piece], plan: EntityPlan) -> list[Piece]:
    """Leaning, molten or pinched, the lettering along with it."""
    lean = plan.flaw("leaning")
    if lean is not None:
        return warp(pieces, shearing(0, -0.55 if lean.choice == "left" else 0.55))
    if plan.has("pinched"):
        return warp(pieces, _pinch, ["wall"])
    if plan.has("melted"):
        puddle = ellipse(0, -0.04, 0.4, 0.045)
        puddle[:, 0] += 0.03 * np.sin(puddle[:, 1] * 90)
        wall = next(piece for piece in pieces if isinstance(piece, Shape) and piece.tag == "wall")
        return [Shape("wall", puddle, wall.colour), *warp(pieces, spreading(-0.17, 0.6), ["wall"])]
    return pieces


def _pinch(p: Points) -> Points:
    factor = 1 - 0.52 * np.exp(-(((p[:, 1] + 0.21) / 0.085) ** 2))
    return np.stack([p[:, 0] * factor, p[:, 1]], axis=1)
