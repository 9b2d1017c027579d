"""The numbers of a run: every metric of every question and set, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qreal_tasks.metrics.catalogue import CATALOGUE, HALVES, PAPER_IMAGEQA, PAPER_OBJECTQA
from qreal_tasks.pages.numbers import with_interval

if TYPE_CHECKING:
    import pandas as pd

    from qreal_tasks.results.score import GroupScores, RunScores

_SHOWN = {"objectqa": PAPER_OBJECTQA, "imageqa": PAPER_IMAGEQA}


@dataclass(frozen=True, repr=False)
class Score:
    """One number with its interval."""

    value: float | None
    """None where it is undefined, which is never 0."""
    low: float | None = None
    """Ends of the 95 % interval; None where there is none."""
    high: float | None = None
    baseline: float | None = None
    """The best that an answer without a model reaches, always Yes for instance; None where there is none."""

    def __repr__(self) -> str:
        return with_interval(self.value, self)


Rows = Mapping[str, Mapping[str, Score]]
"""Row of a table to metric."""


@dataclass(frozen=True, repr=False)
class ScoreTable:
    """All numbers of a run, by row and metric: ``scores.objectqa["realism_q1"]["acc"].value``.

    ``repr`` shows the paper's metrics, ``to_pandas`` has all. What each means is in ``metrics/catalogue.py``.
    """

    model: str
    data: str
    objectqa: Rows
    """The questions that were asked, then the means of the dimensions and of all, where they are complete."""
    imageqa: Rows
    """The sets that were asked."""

    @classmethod
    def of(cls, scores: RunScores, model: str) -> ScoreTable:
        """The numbers that ``results.score.score_run`` computed."""
        halves = {half: {name: _row(group) for name, group in scores.groups(half).items()} for half in HALVES}
        return cls(model, scores.run.data, **halves)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what is undefined is None."""
        halves = {
            half: {name: {metric: vars(one).copy() for metric, one in row.items()} for name, row in rows.items()}
            for half, rows in self._halves
        }
        return {"model": self.model, "data": self.data, **halves}

    def to_pandas(self) -> pd.DataFrame:
        """A frame with a row for each number: task, name (a question, a mean, or a set), metric, label, value, low,
        high, baseline."""
        import pandas as pd

        rows = [
            {"task": half, "name": name, "metric": metric, "label": _label(half, metric), **vars(one)}
            for half, of_half in self._halves
            for name, row in of_half.items()
            for metric, one in row.items()
        ]
        columns = ["task", "name", "metric", "label", "value", "low", "high", "baseline"]
        return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[4:], "float64"))

    @property
    def _halves(self) -> tuple[tuple[str, Rows], ...]:
        return ("objectqa", self.objectqa), ("imageqa", self.imageqa)

    def __repr__(self) -> str:
        lines = [f"{self.model} on {self.data}"]
        for half, rows in self._halves:
            for name, row in rows.items():
                shown = (f"{CATALOGUE[half][one].label} {row[one]}" for one in _SHOWN[half] if one in row)
                lines.append(f"  {HALVES[half]} {name}: {', '.join(shown)}")
        return "\n".join(lines)


def _label(half: str, metric: str) -> str:
    """What tables call a metric; counts, which are none, keep their name."""
    return CATALOGUE[half][metric].label if metric in CATALOGUE[half] else metric


def _row(group: GroupScores) -> dict[str, Score]:
    found = {}
    for metric, value in group.metrics.items():
        interval, baseline = group.intervals.get(metric), group.best_baseline(metric)
        ends = (interval.low, interval.high) if interval else (None, None)
        found[metric] = Score(value, *ends, baseline[0] if baseline else None)
    return found
