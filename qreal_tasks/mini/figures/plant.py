"""A flower, cactus or small tree in a pot."""

from __future__ import annotations

import itertools
import random

import numpy as np

from qreal_tasks.mini.drawing.shapes import (
    Piece,
    Rgb,
    Shape,
    ellipse,
    limb,
    make_points,
    moving,
    ribbon,
    scaling,
    spreading,
    warp,
)
from qreal_tasks.mini.figures.colours import LEAF, PETAL, POT, WOOD, choose_hue, darken
from qreal_tasks.mini.figures.foreign import wind_up_key
from qreal_tasks.mini.plan import EntityPlan

_POT_TOP = -0.26
_STEM_TOP = -0.68


def draw_plant(plan: EntityPlan) -> list[Piece]:
    """Pot, stem and crown."""
    rng = random.Random(plan.seed)
    leaf, petal, clay = choose_hue(rng.choice(LEAF), plan), rng.choice(PETAL), rng.choice(POT)
    wood = choose_hue(rng.choice(WOOD), plan) if plan.label == "potted tree" else leaf
    pieces = _stem(plan, wood, leaf)
    if plan.has("second_pot"):
        pieces += warp(_pot(plan, clay, whole=True), moving(0, _STEM_TOP + 0.06))
    elif not plan.has("bare_stem"):
        crown = _crown(plan, leaf, petal)
        if plan.has("giant_crown"):
            crown = warp(crown, scaling(0, _STEM_TOP + 0.05, 2.0, 2.0))
        pieces += warp(crown, moving(0, -0.16)) if plan.has("gap") else crown
    key = plan.flaw("key")
    if key is not None:
        sign = -1.0 if key.choice == "left" else 1.0
        pieces += wind_up_key(sign * 0.11, -0.13, sign * 90)
    return [*pieces, *_pot(plan, clay, whole=False)]


def _stem(plan: EntityPlan, wood: Rgb, leaf: Rgb) -> list[Piece]:
    """A stalk with two leaves, a trunk, or a cactus's column."""
    width = {"potted flower": 0.035, "potted tree": 0.07, "potted cactus": 0.15}[plan.label]
    y = np.array([_POT_TOP + 0.03, -0.34, -0.42, -0.5, -0.58, _STEM_TOP])
    if plan.has("zigzag_stem"):
        line = np.stack([np.array([0, 0.13, -0.13, 0.13, -0.13, 0.0]), y], axis=1)
        folds = [limb(tuple(a), tuple(b), width=min(width, 0.07)) for a, b in itertools.pairwise(line.tolist())]
        pieces: list[Piece] = [Shape("stem", fold, wood) for fold in folds]
    else:
        stem = limb((0.0, y[0]), (0.012, -0.47), (0.0, _STEM_TOP), width=width, end_width=width * 0.9)
        pieces = [Shape("stem", stem, wood)]
    if plan.has("bare_stem"):
        pieces.append(Shape("stem", ellipse(0, _STEM_TOP - 0.01, width * 0.6, 0.025), (236, 216, 160), shaded=False))
    if plan.label == "potted flower":
        for sign, at in ((-1.0, -0.4), (1.0, -0.48)):
            blade = limb(
                (sign * 0.01, at),
                (sign * 0.1, at - 0.075),
                (sign * 0.17, at - 0.06),
                width=0.06,
                end_width=0.02,
            )
            pieces.append(Shape("leaf", blade, leaf))
    return pieces


def _crown(plan: EntityPlan, leaf: Rgb, petal: Rgb) -> list[Piece]:
    """Blossom, foliage, or the arms and tip of a cactus."""
    y = _STEM_TOP
    if plan.label == "potted flower":
        return _blossom(0.0, y - 0.06, 1.0, petal)
    if plan.label == "potted tree":
        puffs = [
            (-0.13, 0.02, 0.12),
            (0.13, 0.02, 0.12),
            (-0.08, -0.12, 0.12),
            (0.09, -0.11, 0.12),
            (0.0, -0.03, 0.15),
        ]
        return [Shape("crown", ellipse(dx, y + dy - 0.06, r, r), leaf) for dx, dy, r in puffs]
    pieces: list[Piece] = [Shape("crown", limb((0, y + 0.08), (0, y - 0.09), width=0.16, end_width=0.14), leaf)]
    for sign, at in ((-1.0, 0.09), (1.0, 0.02)):
        arm = limb((sign * 0.05, y + at), (sign * 0.19, y + at - 0.01), (sign * 0.2, y + at - 0.16), width=0.075)
        pieces.insert(0, Shape("crown", arm, leaf))
    for k in range(4):
        for dx in (-0.035, 0.035):
            spine = ribbon(make_points((dx - 0.012, y + 0.05 - 0.045 * k), (dx + 0.012, y + 0.035 - 0.045 * k)), 0.008)
            pieces.append(Shape("crown", spine, (240, 236, 200), outlined=False, shaded=False))
    return pieces


def _blossom(x: float, y: float, size: float, petal: Rgb) -> list[Piece]:
    """Eight petals around a yellow middle."""
    pieces: list[Piece] = []
    for angle in np.radians(np.arange(0, 360, 45)):
        px, py = x + 0.1 * size * np.cos(angle), y + 0.1 * size * np.sin(angle)
        pieces.append(Shape("crown", ellipse(px, py, 0.062 * size, 0.062 * size), petal))
    middle = (120, 76, 40) if petal == PETAL[1] else (240, 192, 64)
    return [*pieces, Shape("crown", ellipse(x, y, 0.07 * size, 0.07 * size), middle)]


def _pot(plan: EntityPlan, clay: Rgb, *, whole: bool) -> list[Piece]:
    """A tapering pot with a rim, molten if planned."""
    side = np.stack([np.linspace(0.15, 0.105, 12), np.linspace(_POT_TOP + 0.04, 0.0, 12)], axis=1)
    body = np.concatenate([side, (side * [-1, 1])[::-1]])
    rim = make_points((-0.17, _POT_TOP), (0.17, _POT_TOP), (0.17, _POT_TOP + 0.06), (-0.17, _POT_TOP + 0.06))
    pieces: list[Piece] = [Shape("pot", body, clay), Shape("pot", rim, darken(clay, 1.1))]
    if whole or not plan.has("melted_pot"):
        return pieces
    puddle = Shape("pot", ellipse(0, -0.03, 0.3, 0.04), clay)
    return [puddle, *warp(pieces, spreading(-0.13, 1.1))]
