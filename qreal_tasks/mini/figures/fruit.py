"""An apple, pear, orange or lemon."""

from __future__ import annotations

import random

import numpy as np

from qreal_tasks.mini.drawing.shapes import Piece, Points, Rgb, Shape, box, ellipse, limb, moving, scaling, warp
from qreal_tasks.mini.figures.colours import FRUIT, LEAF, choose_hue
from qreal_tasks.mini.figures.foreign import hole, wind_up_key
from qreal_tasks.mini.plan import EntityPlan

_R = 0.25
"""Radius, figure units."""


def draw_fruit(plan: EntityPlan) -> list[Piece]:
    """The fruit, stalk up."""
    rng = random.Random(plan.seed)
    peel, leaf = choose_hue(rng.choice(FRUIT[plan.label]), plan), rng.choice(LEAF)
    pieces: list[Piece] = [*_stalks(plan, leaf), *_body(plan, peel)]
    if plan.has("hole"):
        pieces += hole(0.0, -_R, 0.085, peel)
    key = plan.flaw("key")
    if key is not None:
        sign = -1.0 if key.choice == "left" else 1.0
        pieces = [*wind_up_key(sign * _R * 0.75, -_R * 0.9, sign * 90, 0.9), *pieces]
    if plan.has("stretched"):
        pieces = warp(pieces, scaling(0, 0, 0.72, 1.9))
    return pieces


def _outline(label: str) -> Points:
    """The contour of the fruit, standing on the ground."""
    t = np.radians(np.arange(0, 360, 6))
    x, y = np.cos(t), np.sin(t)
    if label == "apple":
        # A dimple at the top and a narrower foot.
        x, y = x * (1.06 - 0.1 * y), y * 0.94 + 0.16 * np.exp(-((x / 0.28) ** 2)) * (y < 0)
    elif label == "pear":
        x, y = x * np.where(y < 0, 0.9 - 0.42 * np.abs(y) ** 1.2, 0.9), np.where(y < 0, y * 1.45, y * 0.95)
    elif label == "lemon":
        x, y = x * 1.2 + 0.16 * x**9, y * 0.85
    points = np.stack([x, y], axis=1) * _R
    return np.asarray(points - [0, points[:, 1].max()])


def _body(plan: EntityPlan, peel: Rgb) -> list[Piece]:
    """The fruit itself, round, square or in two shifted halves."""
    outline = box(0, -_R, 1.9 * _R, 1.9 * _R, 0.02) if plan.has("square") else _outline(plan.label)
    halves = plan.flaw("shifted_halves")
    if halves is None:
        return [Shape("fruit", outline, peel)]
    y = outline[:, 1].min() / 2
    lower, upper = outline.copy(), outline.copy()
    lower[:, 1] = np.maximum(lower[:, 1], y)
    upper[:, 1] = np.minimum(upper[:, 1], y)
    half_width = np.abs(lower[:, 0]).max()
    flesh = ellipse(0, y, half_width * 0.96, 0.035)
    shift = (-1.0 if halves.choice == "left" else 1.0) * 0.17
    top = warp([Shape("fruit", upper, peel)], moving(shift, -0.03))
    return [Shape("fruit", lower, peel), Shape("fruit", flesh, (248, 232, 184), shaded=False), *top]


def _stalks(plan: EntityPlan, leaf: Rgb) -> list[Piece]:
    """A stalk with a leaf."""
    top = float(_outline(plan.label)[:, 1].min()) + (0.05 if plan.label == "apple" else 0.02)
    if plan.has("square"):
        top = -1.93 * _R
    shift = plan.flaw("shifted_halves")
    x = 0.0 if shift is None else (-0.17 if shift.choice == "left" else 0.17)
    stalk = limb((x + 0.008, top + 0.05), (x + 0.02, top - 0.12), width=0.03, end_width=0.036)
    blade = limb((x + 0.015, top - 0.05), (x + 0.08, top - 0.11), (x + 0.17, top - 0.08), width=0.05, end_width=0.02)
    return [Shape("stalk", stalk, (104, 72, 44)), Shape("leaf", blade, leaf)]
