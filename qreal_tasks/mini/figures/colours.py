"""Colours, by what they stand for."""

from __future__ import annotations

from qreal_tasks.mini.plan import EntityPlan
from qreal_tasks.mini.shapes import Rgb

INK: Rgb = (36, 32, 44)
WHITE: Rgb = (248, 248, 244)
SKIN: tuple[Rgb, ...] = ((244, 204, 172), (224, 172, 132), (176, 120, 84), (124, 80, 56))
HAIR: tuple[Rgb, ...] = ((60, 40, 32), (132, 84, 44), (216, 176, 92), (36, 36, 40), (150, 150, 156))
CLOTH: tuple[Rgb, ...] = (
    (196, 60, 60),
    (60, 100, 180),
    (72, 140, 84),
    (228, 176, 60),
    (240, 236, 224),
    (120, 76, 140),
)
TROUSERS: tuple[Rgb, ...] = ((52, 64, 104), (84, 84, 92), (108, 84, 60), (44, 44, 52))
FUR: dict[str, tuple[Rgb, ...]] = {
    "dog": ((172, 120, 68), (212, 172, 116), (84, 64, 52)),
    "cat": ((216, 144, 72), (132, 124, 120), (72, 64, 64)),
    "horse": ((136, 84, 48), (92, 60, 44), (196, 164, 124)),
    "sheep": ((236, 228, 212), (220, 208, 188)),
}
LEAF: tuple[Rgb, ...] = ((72, 140, 64), (52, 120, 72), (100, 148, 56))
PETAL: tuple[Rgb, ...] = ((228, 84, 84), (244, 196, 68), (236, 132, 172), (248, 240, 232))
POT: tuple[Rgb, ...] = ((188, 100, 64), (148, 84, 60), (204, 148, 108))
FRUIT: dict[str, tuple[Rgb, ...]] = {
    "apple": ((204, 52, 48), (140, 180, 68)),
    "pear": ((184, 188, 76), (208, 188, 92)),
    "orange": ((240, 144, 40),),
    "lemon": ((244, 216, 72),),
}
PAINT: tuple[Rgb, ...] = (
    (188, 52, 48),
    (52, 104, 172),
    (232, 184, 52),
    (60, 128, 92),
    (216, 216, 212),
    (212, 116, 52),
)
WOOD: tuple[Rgb, ...] = ((164, 112, 64), (124, 80, 48), (196, 152, 100))

_HUES: dict[str, Rgb] = {
    "bright blue": (56, 112, 232),
    "vivid green": (64, 196, 72),
    "deep purple": (128, 60, 176),
    "hot pink": (244, 92, 176),
}


def hue_or(natural: Rgb, plan: EntityPlan) -> Rgb:
    """The natural colour, or the unnatural one that was planted."""
    flaw = plan.flaw("odd_hue")
    return natural if flaw is None else _HUES[flaw.colour]


def darker(colour: Rgb, factor: float = 0.75) -> Rgb:
    """The colour with less light; lighter for a factor above 1."""
    r, g, b = (min(int(c * factor), 255) for c in colour)
    return r, g, b
