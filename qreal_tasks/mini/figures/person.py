"""A person seen from the front. Left and right are the viewer's."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from qreal_tasks.mini.drawing.shapes import (
    Piece,
    Rgb,
    Shape,
    Text,
    box,
    ellipse,
    limb,
    make_points,
    measure_extent,
    moving,
    ribbon,
    scaling,
    warp,
    waving,
)
from qreal_tasks.mini.figures import face
from qreal_tasks.mini.figures.colours import CLOTH, HAIR, SKIN, TROUSERS, WHITE, choose_hue, darken
from qreal_tasks.mini.figures.foreign import hat
from qreal_tasks.mini.figures.lettering import lettering
from qreal_tasks.mini.plan import EntityPlan

_SIGN = {"left": -1.0, "right": 1.0}
_POSES = ("down", "hip", "raised", "wide")
NECK_Y = -0.735


def draw_person(plan: EntityPlan) -> list[Piece]:
    """A man, woman, boy or girl; a ``half`` plan is meant to be cut at the waist and has larger hands."""
    rng = random.Random(plan.seed)
    natural = rng.choice(SKIN)
    skin, hair = choose_hue(natural, plan), rng.choice(_hair_of(plan.label, natural))
    shirt, trousers = rng.choice(CLOTH), rng.choice(TROUSERS)
    poses = {side: rng.choice(_POSES) for side in ("left", "right")}
    if plan.framing == "half":
        # The hands must be in the picture.
        poses = {side: rng.choice(("raised", "chest")) for side in ("left", "right")}
        # Clear of a cup in the air.
        poses = {side: "chest" if plan.has("hovering_cup", side) else pose for side, pose in poses.items()}
    pieces: list[Piece] = [*_legs(plan, trousers), *_torso(plan, shirt, skin)]
    for side, pose in poses.items():
        pieces += _arm(plan, side, pose, shirt, skin)
    head = _head(plan, skin, hair, rng)
    behind = [piece for piece in head if piece.tag == "mane"]
    pieces = [*behind, *pieces, *(piece for piece in head if piece.tag != "mane")]
    return _with_material(pieces, plan)


def _hair_of(label: str, skin: Rgb) -> list[Rgb]:
    """Colours that stand out from the skin, or a face without features would look like the back of the head."""
    ages = HAIR if label in ("man", "woman") else HAIR[:-1]
    return [hair for hair in ages if sum(abs(a - b) for a, b in zip(hair, skin, strict=True)) > 100]


def _legs(plan: EntityPlan, trousers: Rgb) -> list[Piece]:
    """Trousers and shoes."""
    columns, width = {"left": -0.065, "right": 0.065}, 0.125
    if plan.has("extra_leg"):
        columns = {"left": -0.145, "middle": 0.0, "right": 0.145}
        width = 0.095
    pieces: list[Piece] = []
    for side, x in columns.items():
        if plan.has("missing_leg", side):
            pieces.append(Shape("stump", ellipse(x, -0.35, 0.06, 0.05), trousers))
            continue
        shoe = ellipse(x * 1.35 + np.sign(x) * 0.02, -0.027, 0.062, 0.028)
        leg = limb((x * 0.9, -0.37), (x * 1.3, -0.05), width=width, end_width=0.08)
        pair: list[Piece] = [Shape("leg", shoe, darken(trousers, 0.5)), Shape("leg", leg, trousers)]
        if plan.has("giant_foot", side):
            pair = [pair[1], Shape("leg", scaling(x * 1.35, 0.0, 2.2, 3.6)(shoe), (148, 84, 60))]
        pieces += pair
    pieces.append(Shape("hips", box(0, -0.375, 2 * columns["right"] + 0.12, 0.09, 0.04), trousers))
    return warp(pieces, waving(-0.36, 0.06, 0.23), ["leg"]) if plan.has("wavy_legs") else pieces


def _torso(plan: EntityPlan, shirt: Rgb, skin: Rgb) -> list[Piece]:
    """Neck and shirt, with lettering if planned."""
    outline = make_points(
        (-0.05, -0.725), (-0.135, -0.69), (-0.155, -0.63), (-0.115, -0.52), (-0.12, -0.385),
        (0.12, -0.385), (0.115, -0.52), (0.155, -0.63), (0.135, -0.69), (0.05, -0.725),
    )  # fmt: skip
    neck = limb((0, -0.68), (0, NECK_Y - 0.03), width=0.075)
    pieces: list[Piece] = [
        Shape("neck", neck, darken(skin, 0.9)),
        Shape("torso", outline, shirt),
        Shape("collar", ellipse(0, -0.722, 0.05, 0.03, start=0, stop=180), darken(skin, 0.95), outlined=False),
    ]
    if plan.text:
        pieces.append(Shape("panel", box(0, -0.55, 0.215, 0.09, 0.015), WHITE, outlined=False, shaded=False))
        pieces.append(lettering(plan.text, 0, -0.55, 0.2, 0.06))
    return pieces


def _reach(pose: str, sign: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Elbow and wrist of a pose."""
    elbow, wrist = {
        "down": ((0.2, -0.52), (0.225, -0.40)),
        "hip": ((0.27, -0.54), (0.2, -0.42)),
        "raised": ((0.25, -0.62), (0.275, -0.76)),
        "wide": ((0.25, -0.6), (0.34, -0.54)),
        "low": ((0.21, -0.49), (0.33, -0.51)),
        "chest": ((0.25, -0.53), (0.262, -0.6)),
    }[pose]
    return (sign * elbow[0], elbow[1]), (sign * wrist[0], wrist[1])


def _arm(plan: EntityPlan, side: str, pose: str, shirt: Rgb, skin: Rgb) -> list[Piece]:
    """One arm with its hand and whatever is wrong with it."""
    sign = _SIGN[side]
    shoulder = (sign * 0.125, -0.655)
    if plan.has("missing_arm", side):
        stump = limb(shoulder, (sign * 0.185, -0.6), width=0.085, end_width=0.06)
        return [Shape("arm", stump, shirt)]
    pieces: list[Piece] = []
    if plan.has("extra_arm", side):
        other = "low" if plan.framing == "half" else "down" if pose in ("raised", "wide") else "raised"
        pieces += _plain_arm(plan, shoulder, *_reach(other, sign), shirt, skin, 5)
    fingers = 7 if plan.has("seven_fingers", side) else 3 if plan.has("three_fingers", side) else 5
    elbow, wrist = _reach(pose, sign)
    if plan.has("long_arm", side):
        return pieces + _noodle_arm(plan, shoulder, sign, shirt, skin)
    pieces += _plain_arm(plan, shoulder, elbow, wrist, shirt, skin, fingers)
    if plan.has("giant_hand", side):
        pieces = warp(pieces, scaling(*wrist, 2.4, 2.4), ["hand"])
    if plan.has("hovering_cup", side):
        pieces += _cup(sign)
    return pieces


def _plain_arm(
    plan: EntityPlan,
    shoulder: tuple[float, float],
    elbow: tuple[float, float],
    wrist: tuple[float, float],
    shirt: Rgb,
    skin: Rgb,
    fingers: int,
) -> list[Piece]:
    """Sleeve, forearm and hand."""
    sleeve = limb(shoulder, elbow, width=0.088, end_width=0.074)
    forearm = limb(elbow, wrist, width=0.062, end_width=0.05)
    hand = _hand(wrist, np.arctan2(wrist[1] - elbow[1], wrist[0] - elbow[0]), plan.framing, skin, fingers)
    return [Shape("arm", forearm, skin), Shape("arm", sleeve, shirt), *hand]


def _noodle_arm(plan: EntityPlan, shoulder: tuple[float, float], sign: float, shirt: Rgb, skin: Rgb) -> list[Piece]:
    """An arm without bones, far too long."""
    t = np.linspace(0, 1, 40)
    # Upwards where the picture ends at the waist.
    end_y, turn = (-0.98, -np.pi / 2) if plan.framing == "half" else (-0.12, np.pi / 2)
    reach = 0.3
    x = sign * (0.14 + reach * t) + 0.03 * np.sin(t * 11)
    y = shoulder[1] + (end_y - shoulder[1]) * t + 0.06 * np.sin(t * 11 + 1.5) * t
    wrist = (float(x[-1]), float(y[-1]))
    sleeve = limb(shoulder, (float(x[9]), float(y[9])), width=0.088, end_width=0.08)
    hand = _hand(wrist, turn - sign * np.sign(turn) * 0.5, plan.framing, skin, 5)
    return [
        Shape("arm", ribbon(np.stack([x, y], axis=1), 0.06, 0.05), skin),
        Shape("arm", sleeve, shirt),
        *hand,
    ]


def _hand(wrist: tuple[float, float], angle: float, framing: str, skin: Rgb, fingers: int) -> list[Piece]:
    """Palm and fingers spread in the direction of the forearm."""
    size = 1.45 if framing == "half" else 1.0
    palm, length = 0.034 * size, 0.062 * size
    x, y = wrist[0] + 0.8 * palm * np.cos(angle), wrist[1] + 0.8 * palm * np.sin(angle)
    spread = {3: 75, 5: 125, 7: 190}[fingers]
    width = (0.021 if fingers < 7 else 0.018) * size
    pieces: list[Piece] = []
    for turn in np.radians(np.linspace(-spread / 2, spread / 2, fingers)):
        c, s = np.cos(angle + turn), np.sin(angle + turn)
        start = (x + 0.6 * palm * c, y + 0.6 * palm * s)
        tip = (x + (palm * 0.7 + length) * c, y + (palm * 0.7 + length) * s)
        pieces.append(Shape("hand", limb(start, tip, width=width, end_width=width * 0.9), skin))
    pieces.append(Shape("hand", ellipse(x, y, palm, palm), skin))
    return pieces


def _cup(sign: float) -> list[Piece]:
    """A cup in the air above the shoulder, clear of the hand."""
    x, y = sign * 0.28, -0.94
    return [
        Shape("cup", ellipse(x + 0.042, y, 0.03, 0.03), (120, 160, 176)),
        Shape("cup", ellipse(x + 0.042, y, 0.015, 0.016), WHITE, shaded=False),
        Shape("cup", box(x, y, 0.085, 0.1, 0.012), (120, 160, 176)),
        Shape("cup", ellipse(x, y - 0.045, 0.042, 0.012), (84, 52, 36), shaded=False),
    ]


def _head(plan: EntityPlan, skin: Rgb, hair: Rgb, rng: random.Random) -> list[Piece]:
    """One head or two, deformed if planned, on the end of the neck."""
    pieces = face.draw_head(plan, skin, hair, rng)
    if plan.label in ("boy", "girl"):
        pieces = warp(pieces, scaling(0, NECK_Y, 1.16, 1.16))
    if plan.has("two_heads"):
        left = warp(pieces, scaling(0, NECK_Y, 0.88, 0.88))
        pieces = warp(left, moving(-0.1, 0.0)) + warp(left, moving(0.1, 0.0))
    factor = 1.75 if plan.has("big_head") else 1.0
    if factor != 1.0:
        pieces = warp(pieces, scaling(0, NECK_Y, factor, factor))
    if plan.has("hovering_hat"):
        pieces += hat(0.0, float(measure_extent(pieces)[1]) - 0.09, factor)
    return pieces


def _with_material(pieces: list[Piece], plan: EntityPlan) -> list[Piece]:
    """Head or arms made of something that no person is made of."""
    for name, tags in (
        ("material_head", ("head",)),
        ("material_arms", ("arm",)),
    ):
        flaw = plan.flaw(name)
        if flaw is not None:
            pieces = [
                piece if isinstance(piece, Text) or piece.tag not in tags else replace(piece, material=flaw.choice)
                for piece in pieces
            ]
    return pieces
