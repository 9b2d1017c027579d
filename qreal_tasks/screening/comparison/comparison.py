"""Is one generator better than another: flaw rates by dimension, question and body part, paired by prompt.

comparison = compare_groups(load_groups([Path("OUT-A"), Path("OUT-B")]))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES, Dimension
from qreal_tasks.metrics.significance import holm
from qreal_tasks.screening.calibration.record import Calibration, LabelledMeans
from qreal_tasks.screening.comparison.groups import UNIT, ComparedGroups, ComparisonError, PairedBy
from qreal_tasks.screening.comparison.image_table import SEVERITY
from qreal_tasks.screening.comparison.moved_images import MovedImages, find_moved
from qreal_tasks.screening.comparison.rates import FlawRate, RateDifference, estimate_difference, estimate_rate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ComparedRow:
    """A dimension, a question or a body part: the flaw rates and what their difference is worth."""

    against: FlawRate
    run: FlawRate
    difference: RateDifference
    p_corrected: float | None
    """By Holm's method: dimensions of all pairs for each other, and so questions, and so body parts."""


@dataclass(frozen=True)
class GeneratorPair:
    """A group of images against the baseline; every difference is ``run`` minus ``against``."""

    against: str
    run: str
    rows: Mapping[str, ComparedRow]
    """By dimension, question and body part."""
    moved: MovedImages | None
    """None without pairs."""

    def group(self, names: Sequence[str]) -> dict[str, ComparedRow]:
        """Those of these names that were compared."""
        return {name: self.rows[name] for name in names if name in self.rows}


@dataclass(frozen=True)
class GroupSummary:
    """One group of images by itself."""

    name: str
    folder: Path
    n_images: int
    n_units: int
    """Prompts, or images where they are not grouped by prompt."""
    unknown: Mapping[str, int]
    """Dimension to images without a probability, which are left out."""
    flagged: Mapping[str, float | None]
    """Dimension to the share of images from the threshold on; empty without a calibration."""
    rates: Mapping[str, FlawRate]
    """By dimension, over all its images, paired or not."""


@dataclass(frozen=True)
class GeneratorComparison:
    """All groups, and each against the baseline."""

    groups: tuple[GroupSummary, ...]
    """The baseline first."""
    pairs: tuple[GeneratorPair, ...]
    pairing: PairedBy
    calibration: Calibration | None
    notes: tuple[str, ...]


DIMENSIONS: tuple[str, ...] = tuple(str(one) for one in Dimension)
FAMILIES: tuple[tuple[str, ...], ...] = (DIMENSIONS, QUESTION_NAMES, BODY_PARTS)
"""P-values of a family are corrected for each other."""


def compare_groups(groups: ComparedGroups) -> GeneratorComparison:
    """Compare every group with the baseline.

    Raises:
        ComparisonError: two groups have no prompt, or name, of which both have a judged image.
    """
    tables, calibration = groups.tables, groups.calibration
    columns = [name for family in FAMILIES for name in family if all(name in table for table in tables.values())]
    values = {
        name: {column: _unit_means(table, column) for column in (*columns, SEVERITY)} for name, table in tables.items()
    }
    baseline, *others = tables
    pairs = [_compare_pair(groups, values, columns, baseline, name) for name in others]
    return GeneratorComparison(
        tuple(
            _summarise(name, table, groups.folders[name], values[name], calibration) for name, table in tables.items()
        ),
        _correct_p_values(pairs),
        groups.pairing,
        calibration,
        tuple(note for name in others for note in _describe_left_out(groups, baseline, name)),
    )


def _compare_pair(
    groups: ComparedGroups,
    values: Mapping[str, Mapping[str, Mapping[str, float]]],
    columns: Sequence[str],
    baseline: str,
    name: str,
) -> GeneratorPair:
    against, run, paired = values[baseline], values[name], groups.pairing is not PairedBy.NONE
    if paired and not run[SEVERITY].keys() & against[SEVERITY].keys():
        raise ComparisonError(
            f"{name} and {baseline} share no {groups.pairing} of which both are judged; give another --by, or none"
        )
    rows = {
        column: _compare_row(against[column], run[column], _means_of(column, groups.calibration), paired)
        for column in columns
    }
    tables = groups.tables
    moved = find_moved(tables[baseline], tables[name], against[SEVERITY], run[SEVERITY]) if paired else None
    return GeneratorPair(baseline, name, rows, moved)


def _unit_means(table: pd.DataFrame, column: str) -> dict[str, float]:
    known = table.dropna(subset=[UNIT, column])
    return {str(unit): float(mean) for unit, mean in known.groupby(UNIT, sort=True)[column].mean().items()}


def _means_of(column: str, calibration: Calibration | None) -> LabelledMeans | None:
    return calibration.dimensions[Dimension(column)].means if calibration and column in DIMENSIONS else None


def _compare_row(
    against: Mapping[str, float], run: Mapping[str, float], means: LabelledMeans | None, paired: bool
) -> ComparedRow:
    if paired:
        shared = against.keys() & run.keys()
        against, run = ({unit: side[unit] for unit in shared} for side in (against, run))
    return ComparedRow(
        estimate_rate(against, means),
        estimate_rate(run, means),
        estimate_difference(run, against, means, paired=paired),
        None,
    )


def _correct_p_values(pairs: Sequence[GeneratorPair]) -> tuple[GeneratorPair, ...]:
    """The pairs with p-values corrected within each family, over all pairs."""
    corrected: list[dict[str, ComparedRow]] = [dict(pair.rows) for pair in pairs]
    for family in FAMILIES:
        places = [(at, name) for at, pair in enumerate(pairs) for name in family if name in pair.rows]
        adjusted = holm([pairs[at].rows[name].difference.p_value for at, name in places])
        for (at, name), p in zip(places, adjusted, strict=True):
            corrected[at][name] = replace(corrected[at][name], p_corrected=p)
    return tuple(replace(pair, rows=rows) for pair, rows in zip(pairs, corrected, strict=True))


def _summarise(
    name: str,
    table: pd.DataFrame,
    folder: Path,
    values: Mapping[str, Mapping[str, float]],
    calibration: Calibration | None,
) -> GroupSummary:
    flagged: dict[str, float | None] = {}
    for one in Dimension if calibration else ():
        assert calibration is not None
        known = table[str(one)].dropna()
        flagged[str(one)] = float((known >= calibration.threshold(one)).mean()) if len(known) else None
    return GroupSummary(
        name,
        folder,
        len(table),
        table[UNIT].nunique(),
        {one: int(table[one].isna().sum()) for one in DIMENSIONS},
        flagged,
        {one: estimate_rate(values[one], _means_of(one, calibration)) for one in DIMENSIONS},
    )


def _describe_left_out(groups: ComparedGroups, baseline: str, name: str) -> list[str]:
    if groups.pairing is PairedBy.NONE:
        return []
    units = {one: set(groups.tables[one][UNIT].dropna()) for one in (baseline, name)}
    return [
        f"{alone:,} of the {len(units[one]):,} {groups.pairing}s of {one} are left out of {name} − {baseline}: {other} "
        "lacks them."
        for one, other in ((baseline, name), (name, baseline))
        if (alone := len(units[one] - units[other]))
    ]
