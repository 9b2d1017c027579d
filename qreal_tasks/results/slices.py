"""Parts of a run scored by themselves: each generator, and portraits apart from the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.records import Record
from qreal_tasks.results.run_folder import Run
from qreal_tasks.results.score import RunScores, score_run

ACCURACY, F1_AT_50 = "acc", "f1_at_50"
"""What a cell of the heatmap shows: of a question, of an ImageQA set."""


@dataclass(frozen=True)
class HeatmapCell:
    """One generator on one question or set."""

    value: float | None
    n: int
    """Entities asked about, or images."""
    lead: float | None
    """``value`` minus that of all generators together."""


@dataclass(frozen=True)
class Heatmap:
    """Generator by question or set."""

    columns: tuple[str, ...]
    rows: Mapping[str, tuple[HeatmapCell, ...]]
    """Generator to a cell a column, by name."""
    images: Mapping[str, int]
    """Generator to how many images it has."""


def select_records(run: Run, belongs: Callable[[Record], bool]) -> Run:
    """The run as if it had been asked only these samples; tasks that lose all of them are left out."""
    parts = [replace(task, records=tuple(filter(belongs, task.records))) for task in run.tasks]
    return replace(run, tasks=tuple(task for task in parts if task.records))


def score_portraits_apart(run: Run, resamples: int) -> dict[str, RunScores]:
    """``portraits`` and ``other images`` scored by themselves; empty when the run holds only one of the two."""
    parts = {
        "portraits": select_records(run, lambda record: record.is_portrait),
        "other images": select_records(run, lambda record: not record.is_portrait),
    }
    if not all(part.tasks for part in parts.values()):
        return {}
    return {name: score_run(part, resamples=resamples) for name, part in parts.items()}


def build_heatmap(scores: RunScores) -> Heatmap:
    """Accuracy of every question and F1 at .5 of every ImageQA set, a row a generator.

    Accuracy and not F1 or AUC, because a generator may leave one class of a question empty, where those say nothing.
    """
    run = scores.run
    columns = tuple(name for name in (*QUESTION_NAMES, *IMAGEQA_SETS) if name in scores.rows)
    made = Counter(generator for generator, _ in {(record.generator, record.image_id) for record in run.records})
    names = sorted(made)
    return Heatmap(columns, {name: _row(scores, columns, _of_generator(run, name)) for name in names}, made)


def _of_generator(run: Run, name: str) -> RunScores:
    return score_run(select_records(run, lambda record: record.generator == name), resamples=0)


def _row(scores: RunScores, columns: Sequence[str], part: RunScores) -> tuple[HeatmapCell, ...]:
    cells = []
    for column in columns:
        metric = ACCURACY if column in QUESTION_NAMES else F1_AT_50
        group, whole = part.rows.get(column), scores.rows[column].metrics.get(metric)
        value = group.metrics.get(metric) if group else None
        lead = None if value is None or whole is None else value - whole
        cells.append(HeatmapCell(value, _count(group.metrics) if group else 0, lead))
    return tuple(cells)


def _count(metrics: Mapping[str, float | None]) -> int:
    return int(metrics.get("n") or 0)
