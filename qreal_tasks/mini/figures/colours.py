"""Colours of the figures, by what they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qreal_tasks.files.package_tables import load_table
from qreal_tasks.mini.drawing.shapes import Rgb
from qreal_tasks.mini.plan import ODD_HUES, EntityPlan

INK: Rgb = (36, 32, 44)
WHITE: Rgb = (248, 248, 244)


def _colours(rows: Iterable[Iterable[int]]) -> tuple[Rgb, ...]:
    return tuple((red, green, blue) for red, green, blue in rows)


_TABLE: dict[str, Any] = load_table(Path(__file__).with_suffix(".yaml"))
FUR, FRUIT = ({label: _colours(rows) for label, rows in _TABLE[name].items()} for name in ("fur", "fruit"))
SKIN, HAIR, CLOTH, TROUSERS = (_colours(_TABLE[name]) for name in ("skin", "hair", "cloth", "trousers"))
LEAF, PETAL, POT, PAINT, WOOD = (_colours(_TABLE[name]) for name in ("leaf", "petal", "pot", "paint", "wood"))


def choose_hue(natural: Rgb, plan: EntityPlan) -> Rgb:
    """The natural colour, or the unnatural one that was planted."""
    flaw = plan.flaw("odd_hue")
    return natural if flaw is None else ODD_HUES[flaw.colour]


def darken(colour: Rgb, factor: float = 0.75) -> Rgb:
    """The colour with less light; lighter for a factor above 1."""
    r, g, b = (min(int(c * factor), 255) for c in colour)
    return r, g, b
