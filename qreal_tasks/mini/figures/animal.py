"""A dog, cat, horse or sheep seen from the side."""

from __future__ import annotations

import random
from dataclasses import dataclass

from qreal_tasks.mini.drawing.shapes import (
    Piece,
    Rgb,
    Shape,
    ellipse,
    limb,
    make_points,
    scaling,
    warp,
    waving,
)
from qreal_tasks.mini.figures.colours import FUR, INK, WHITE, choose_hue, darken
from qreal_tasks.mini.figures.foreign import hole, wind_up_key
from qreal_tasks.mini.plan import EntityPlan


@dataclass(frozen=True)
class _Build:
    """Proportions of a species, figure units; the head points to the right."""

    half_length: float
    half_height: float
    leg: float
    leg_width: float
    neck: tuple[float, float]
    """Way from the shoulder to the middle of the head."""
    head: tuple[float, float]
    snout: float
    ear: str
    tail: tuple[tuple[float, float], tuple[float, float]]
    """Middle and end, from the root."""


_BUILDS = {
    "dog": _Build(0.25, 0.115, 0.25, 0.062, (0.12, -0.19), (0.085, 0.08), 0.08, "hanging",
                  ((-0.1, -0.06), (-0.15, -0.2))),
    "cat": _Build(0.21, 0.095, 0.2, 0.05, (0.09, -0.13), (0.088, 0.078), 0.03, "pointed",
                  ((-0.14, 0.02), (-0.14, -0.24))),
    "horse": _Build(0.3, 0.145, 0.4, 0.064, (0.17, -0.3), (0.085, 0.08), 0.16, "pointed",
                    ((-0.1, 0.08), (-0.1, 0.3))),
    "sheep": _Build(0.26, 0.165, 0.18, 0.055, (0.1, -0.08), (0.075, 0.08), 0.05, "hanging",
                    ((-0.05, 0.01), (-0.07, 0.06))),
}  # fmt: skip


def draw_animal(plan: EntityPlan) -> list[Piece]:
    """The animal, looking to the left or to the right."""
    rng = random.Random(plan.seed)
    build, coat = _BUILDS[plan.label], choose_hue(rng.choice(FUR[plan.label]), plan)
    direction = rng.choice((-1.0, 1.0))
    far, near = _legs(plan, build, coat)
    back = _back(plan, build, coat)
    pieces: list[Piece] = [*far, *back, *_body(plan, build, coat), *near, *_front(plan, build, coat)]
    middle = -build.leg - build.half_height * 0.85
    if plan.has("key"):
        pieces = [*wind_up_key(0.0, middle - build.half_height * 0.9, 0.0, 1.3), *pieces]
    if plan.has("hole"):
        pieces += hole(0.0, middle, build.half_height * 0.62, coat)
    return warp(pieces, scaling(0, 0, direction, 1.0))


def _shoulder(build: _Build) -> tuple[float, float]:
    return build.half_length * 0.78, -build.leg - build.half_height * 1.25


def _body(plan: EntityPlan, build: _Build, coat: Rgb) -> list[Piece]:
    """Trunk; a sheep's is woolly."""
    y = -build.leg - build.half_height * 0.85
    pieces: list[Piece] = []
    if plan.label == "sheep":
        for k in range(10):
            ring = ellipse(0, y, build.half_length * 0.85, build.half_height * 0.8, count=11)
            pieces.append(Shape("fleece", ellipse(ring[k, 0], ring[k, 1], 0.075, 0.07), coat))
    pieces.append(Shape("body", ellipse(0, y, build.half_length, build.half_height), coat))
    return pieces


def _front(plan: EntityPlan, build: _Build, coat: Rgb) -> list[Piece]:
    """Neck and head."""
    x, y = _shoulder(build)
    dx, dy = build.neck
    wide = build.half_height * (1.15 if plan.label != "cat" else 1.2)
    if plan.has("no_head"):
        stump = limb((x - 0.02, y + 0.05), (x + dx * 0.75, y + dy * 0.75), width=wide, end_width=wide * 0.8)
        cut = ellipse(x + dx * 0.78, y + dy * 0.78, wide * 0.33, wide * 0.2)
        return [Shape("neck", stump, coat), Shape("head", cut, (196, 92, 84), shaded=False)]
    neck = Shape("neck", limb((x - 0.02, y + 0.05), (x + dx, y + dy), width=wide, end_width=wide * 0.8), coat)
    head = _head(build, coat, plan.label, x + dx, y + dy)
    if plan.has("giant_head"):
        head = warp(head, scaling(x + dx - 0.03, y + dy + 0.06, 2.2, 2.2))
    mane: list[Piece] = []
    if plan.label == "horse":
        line = limb((x - 0.08, y), (x + dx * 0.4 - 0.05, y + dy * 0.6), (x + dx - 0.04, y + dy - 0.05), width=0.07)
        mane.append(Shape("neck", line, darken(coat, 0.5)))
    return [neck, *mane, *head]


def _head(build: _Build, coat: Rgb, label: str, x: float, y: float) -> list[Piece]:
    """Skull, snout, ear, eye, nose and mouth around (x, y)."""
    rx, ry = build.head
    skin = darken(coat, 0.45) if label == "sheep" else coat
    droop = 0.1 if label == "horse" else 0.02
    nose = (x + rx * 0.5 + build.snout, y + 0.03 + droop)
    snout = limb((x + rx * 0.3, y + 0.02), nose, width=ry * 1.35, end_width=ry * 0.95)
    pieces: list[Piece] = [Shape("head", snout, skin), Shape("head", ellipse(x, y, rx, ry), skin)]
    if build.ear == "pointed":
        for at in (-0.6, 0.1):
            ear = make_points(
                (x + rx * (at - 0.35), y - ry * 0.6),
                (x + rx * at, y - ry * 1.75),
                (x + rx * (at + 0.45), y - ry * 0.7),
            )
            pieces.insert(0 if at > 0 else 2, Shape("head", ear, darken(skin, 0.85)))
    else:
        pieces.append(
            Shape(
                "head",
                limb(
                    (x - rx * 0.4, y - ry * 0.55),
                    (x - rx * 0.75, y + ry * 0.75),
                    width=0.055,
                    end_width=0.075,
                ),
                darken(skin, 0.75),
            )
        )
    eye = (x + rx * 0.35, y - ry * 0.2)
    tip = ellipse(nose[0] + ry * 0.32, nose[1] - ry * 0.1, 0.024, 0.02)
    return [
        *pieces,
        Shape("face", ellipse(*eye, 0.022, 0.022), WHITE, outlined=False, shaded=False),
        Shape("face", ellipse(eye[0] + 0.005, eye[1], 0.014, 0.015), INK, outlined=False, shaded=False),
        Shape("face", tip, INK if label != "cat" else (196, 108, 112), outlined=False, shaded=False),
    ]


def _back(plan: EntityPlan, build: _Build, coat: Rgb) -> list[Piece]:
    """The tail, three of them, or a second head."""
    x, y = -build.half_length * 0.9, -build.leg - build.half_height * 1.1
    if plan.has("extra_head"):
        other = _front(plan, build, coat)
        return warp(other, lambda p: p * make_points((-1.0, 1.0)))
    (mx, my), (ex, ey) = build.tail
    wide = 0.075 if plan.label in ("horse", "sheep") else 0.042
    shade = darken(coat, 0.5) if plan.label == "horse" else darken(coat, 0.9)
    tail = Shape("tail", limb((x, y), (x + mx, y + my), (x + ex, y + ey), width=wide, end_width=wide * 0.8), shade)
    if not plan.has("extra_tail"):
        return [tail]
    fan = [(-0.24, -0.12), (-0.15, -0.3), (0.0, -0.34)]
    lines = [limb((x + 0.03, y), (x + ex_ * 0.7, y + ey_ * 0.35), (x + ex_, y + ey_), width=wide) for ex_, ey_ in fan]
    return [Shape("tail", line, shade) for line in lines]


def _legs(plan: EntityPlan, build: _Build, coat: Rgb) -> tuple[list[Piece], list[Piece]]:
    """The far and the near legs."""
    hind = [-0.72, -0.48]
    front = [0.5, 0.76]
    if plan.has("missing_leg"):
        front, hind = ([], hind) if plan.has("missing_leg", "front") else (front, [])
    places = [*hind, *front, *([0.02] if plan.has("extra_leg") else [])]
    groups: tuple[list[Piece], list[Piece]] = ([], [])
    for at in places:
        x = at * build.half_length
        is_far = at in (-0.48, 0.5)
        skin = darken(coat, 0.45) if plan.label == "sheep" else coat
        colour = darken(skin, 0.72) if is_far else skin
        top = (x, -build.leg - build.half_height * 0.55)
        leg = limb(top, (x + 0.008, -0.03), width=build.leg_width * 1.35, end_width=build.leg_width * 0.9)
        foot = ellipse(x + 0.018, -0.024, build.leg_width * 0.62, 0.026)
        shod = INK if plan.label in ("horse", "sheep") else darken(colour, 0.85)
        pair: list[Piece] = [Shape("leg", leg, colour), Shape("leg", foot, shod)]
        if plan.has("wavy_legs"):
            pair = warp(pair, waving(-build.leg, 0.045, build.leg * 0.62))
        groups[0 if is_far else 1].extend(pair)
    return groups
