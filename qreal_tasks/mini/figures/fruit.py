"""An apple, pear, orange or lemon."""

from __future__ import annotations

import random

import numpy as np

from qreal_tasks.mini.figures.colours import FRUIT, INK, LEAF, WHITE, darker, hue_or
from qreal_tasks.mini.plan import EntityPlan
from qreal_tasks.mini.shapes import Piece, Points, Rgb, Shape, ellipse, limb, moving, scaling, warped

_R = 0.25
"""Radius, figure units."""


def draw_fruit(plan: EntityPlan) -> list[Piece]:
    """The fruit, stalk up."""
    rng = random.Random(plan.seed)
    peel, leaf = hue_or(rng.choice(FRUIT[plan.label]), plan), rng.choice(LEAF)
    pieces: list[Piece] = [*_stalks(plan, leaf), *_body(plan, peel)]
    if plan.has("eye"):
        pieces += _eye()
    twin = plan.flaw("twin")
    if twin is not None:
        sign = -1.0 if twin.choice == "left" else 1.0
        small = warped(warped(pieces, scaling(0, 0, 0.58, 0.58)), moving(sign * 0.33, -0.14))
        pieces = [*small, *pieces]
    if plan.has("stretched"):
        pieces = warped(pieces, scaling(0, 0, 0.72, 1.9))
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
    """The fruit itself, whole, dented or in two shifted halves."""
    outline = _outline(plan.label)
    dent = plan.flaw("dented")
    if dent is not None:
        return _dented(outline, -1.0 if dent.choice == "left" else 1.0, peel)
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
    top = warped([Shape("fruit", upper, peel)], moving(shift, -0.03))
    return [Shape("fruit", lower, peel), Shape("fruit", flesh, (248, 232, 184), shaded=False), *top]


def _dented(outline: Points, sign: float, peel: Rgb) -> list[Piece]:
    """A deep hollow in one side, with the crushed peel inside it in shadow."""
    y = outline[:, 1].min() / 2
    push = 0.62 * np.exp(-(((outline[:, 1] - y) / 0.085) ** 2)) * (sign * outline[:, 0] > 0)
    dented = outline.copy()
    dented[:, 0] *= 1 - push
    fold = ellipse(sign * 0.11, y, 0.06, 0.1)
    return [Shape("fruit", dented, peel), Shape("fruit", fold, darker(peel, 0.55), outlined=False)]


def _stalks(plan: EntityPlan, leaf: Rgb) -> list[Piece]:
    """A stalk with a leaf; three when planned."""
    top = float(_outline(plan.label)[:, 1].min()) + (0.05 if plan.label == "apple" else 0.02)
    shift = plan.flaw("shifted_halves")
    x = 0.0 if shift is None else (-0.17 if shift.choice == "left" else 0.17)
    tips = [(-0.17, -0.1), (0.0, -0.15), (0.17, -0.1)] if plan.has("three_stalks") else [(0.02, -0.12)]
    pieces: list[Piece] = []
    for dx, dy in tips:
        stalk = limb((x + dx * 0.4, top + 0.05), (x + dx, top + dy), width=0.03, end_width=0.036)
        pieces.append(Shape("stalk", stalk, (104, 72, 44)))
    blade = limb((x + 0.015, top - 0.05), (x + 0.08, top - 0.11), (x + 0.17, top - 0.08), width=0.05, end_width=0.02)
    return pieces if plan.has("three_stalks") else [*pieces, Shape("leaf", blade, leaf)]


def _eye() -> list[Piece]:
    """A human eye on the peel."""
    y = -0.25
    return [
        Shape("eye", ellipse(0, y, 0.115, 0.072), INK, shaded=False),
        Shape("eye", ellipse(0, y, 0.104, 0.062), WHITE, outlined=False, shaded=False),
        Shape("eye", ellipse(0, y, 0.055, 0.057), (76, 120, 172), outlined=False, shaded=False),
        Shape("eye", ellipse(0, y, 0.027, 0.028), INK, outlined=False, shaded=False),
    ]
