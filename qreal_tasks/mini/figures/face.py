"""A person's head: hair, ears, eyes, nose and mouth."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from qreal_tasks.mini.drawing.shapes import Piece, Points, Rgb, Shape, curve, ellipse, ribbon, warp
from qreal_tasks.mini.figures.colours import INK, WHITE, darken
from qreal_tasks.mini.plan import EntityPlan

_X, _Y, _RX, _RY = 0.0, -0.86, 0.092, 0.118
"""Centre and half axes of the skull, figure units."""


def draw_head(plan: EntityPlan, skin: Rgb, hair: Rgb, rng: random.Random) -> list[Piece]:
    """The head; hair that hangs down behind the shoulders has the tag ``mane``."""
    long_hair = plan.label in ("woman", "girl")
    pieces: list[Piece] = []
    if long_hair:
        pieces.append(Shape("mane", ellipse(_X, _Y + 0.045, _RX * 1.42, _RY * 1.38), darken(hair, 0.85)))
    for x in (-_RX, _RX):
        pieces.append(Shape("head", ellipse(x, _Y + 0.01, 0.02, 0.03), skin))
    pieces.append(Shape("head", ellipse(_X, _Y, _RX, _RY), skin))
    pieces += _hair(hair, long_hair, rng)
    if not plan.has("no_face"):
        pieces += _features(plan, hair, rng)
    flaw = plan.flaw("melted_face")
    if flaw is not None:
        pieces = warp(pieces, _sagging(-1.0 if flaw.choice == "left" else 1.0), ["head", "face"])
    return pieces


def _hair(hair: Rgb, long_hair: bool, rng: random.Random) -> list[Piece]:
    """A cap of hair with a parting or a fringe."""
    top = ellipse(_X, _Y, _RX * 1.1, _RY * 1.1, start=188, stop=352, count=24)
    parting = rng.choice((-0.04, 0.0, 0.04)) if long_hair else rng.choice((-0.02, 0.02))
    fringe = curve((_RX * 1.08, _Y - 0.02), (parting, _Y - 0.085), (-_RX * 1.08, _Y - 0.02), count=16)
    return [Shape("hair", np.concatenate([top, fringe]), hair)]


def _features(plan: EntityPlan, hair: Rgb, rng: random.Random) -> list[Piece]:
    """Eyes, brows, nose and mouth."""
    pieces: list[Piece] = []
    iris = rng.choice(((70, 100, 140), (90, 64, 40), (64, 110, 70)))
    for x in (-0.038, 0.038):
        pieces += _eye(x, _Y - 0.005, 1.0, iris)
        brow = curve((x - 0.022, _Y - 0.036), (x, _Y - 0.044), (x + 0.022, _Y - 0.036), count=8)
        pieces.append(_mark(ribbon(brow, 0.009), darken(hair, 0.7)))
    if plan.has("third_eye"):
        pieces += _eye(0.0, _Y - 0.062, 1.6, iris)
    nose = curve((0.002, _Y + 0.005), (0.014, _Y + 0.032), (-0.006, _Y + 0.036), count=8)
    pieces.append(_mark(ribbon(nose, 0.007), (130, 76, 60)))
    smile = rng.choice((0.012, 0.02, 0.004))
    mouth = curve((-0.034, _Y + 0.06), (0.0, _Y + 0.06 + smile), (0.034, _Y + 0.06), count=10)
    pieces.append(_mark(ribbon(mouth, 0.012), (168, 56, 60)))
    return pieces


def _eye(x: float, y: float, size: float, iris: Rgb) -> list[Piece]:
    """White, iris and pupil."""
    return [
        _mark(ellipse(x, y, 0.0205 * size, 0.015 * size), INK),
        _mark(ellipse(x, y, 0.018 * size, 0.0125 * size), WHITE),
        _mark(ellipse(x, y, 0.0105 * size, 0.0115 * size), iris),
        _mark(ellipse(x, y, 0.0055 * size, 0.006 * size), INK),
    ]


def _mark(points: Points, colour: Rgb) -> Shape:
    """A part of the face that light does not model."""
    return Shape("face", points, colour, outlined=False, shaded=False)


def _sagging(sign: float) -> Callable[[Points], Points]:
    """Everything on one side slides down, the more the further out."""

    def bend(p: Points) -> Points:
        out = np.clip((sign * (p[:, 0] - _X) + 0.03) / _RX, 0.0, 1.3)
        drop = 0.09 * out**1.5 * (1 + 0.8 * np.clip((p[:, 1] - _Y) / _RY, -0.4, 1.0))
        return np.stack([p[:, 0] + sign * 0.25 * drop, p[:, 1] + drop], axis=1)

    return bend
