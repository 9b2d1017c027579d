"""Which images got worse and which better, from one generator to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qreal_tasks.screening.comparison.groups import UNIT
from qreal_tasks.screening.comparison.image_table import SEVERITY

if TYPE_CHECKING:
    import pandas as pd

MOST_MOVED = 12
"""Pairs of images shown in each direction."""
MOVED = 0.1
"""Difference in severity from which on an image counts as better or worse."""


@dataclass(frozen=True)
class ShownImage:
    """An image of a pair: of several images of a prompt the most severe one."""

    image: str
    pixels: str
    severity: float
    prompt: str | None


@dataclass(frozen=True)
class MovedPair:
    """The images of one prompt, or of one name, in both groups."""

    unit: str
    against: ShownImage
    run: ShownImage
    change: float
    """Mean severity of ``run`` minus that of ``against``."""


@dataclass(frozen=True)
class MovedImages:
    """The prompts, or names, of two groups by how their severity changed."""

    n_worse: int
    """Worse by ``MOVED`` or more."""
    n_better: int
    n: int
    worst: tuple[MovedPair, ...] = ()
    """Those that changed most."""
    best: tuple[MovedPair, ...] = ()


def find_moved(
    against: pd.DataFrame, run: pd.DataFrame, before: Mapping[str, float], after: Mapping[str, float]
) -> MovedImages:
    """Compare the severity of every unit that both groups have.

    Args:
        before: unit to mean severity in ``against``.
        after: the same in ``run``.
    """
    changes = sorted((after[unit] - before[unit], unit) for unit in before.keys() & after.keys())
    best = [(change, unit) for change, unit in changes[:MOST_MOVED] if change < 0]
    worst = [(change, unit) for change, unit in changes[::-1][:MOST_MOVED] if change > 0]
    units = {unit for _, unit in (*best, *worst)}
    first, second = (_most_severe(table, units) for table in (against, run))

    def shown(some: list[tuple[float, str]]) -> tuple[MovedPair, ...]:
        return tuple(MovedPair(unit, first[unit], second[unit], change) for change, unit in some)

    n_worse = sum(change >= MOVED for change, _ in changes)
    return MovedImages(n_worse, sum(change <= -MOVED for change, _ in changes), len(changes), shown(worst), shown(best))


def _most_severe(table: pd.DataFrame, units: set[str]) -> dict[str, ShownImage]:
    own = table[table[UNIT].isin(units)].dropna(subset=[SEVERITY]).sort_values([SEVERITY, "image"])
    found = {}
    for row in own.to_dict("records"):
        prompt = row["prompt"] if isinstance(row["prompt"], str) else None  # pandas has nan for none
        found[str(row[UNIT])] = ShownImage(row["image"], row["pixels"], float(row[SEVERITY]), prompt)
    return found
