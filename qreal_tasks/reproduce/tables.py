"""Tables 1 to 4: the paper's numbers beside those of the runs that are done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, Dimension, Style
from qreal_tasks.leaderboard.board.paper import PaperModel, PaperRow, load_paper_models
from qreal_tasks.metrics.bootstrap import Estimate
from qreal_tasks.metrics.catalogue import PAPER_IMAGEQA, PAPER_OBJECTQA
from qreal_tasks.metrics.feasibility import Feasibility
from qreal_tasks.metrics.printed_rows import check_row
from qreal_tasks.reproduce.plan import AGENT, SECOND, TUNED, PlannedRun
from qreal_tasks.results.run_folder import newest_results, read_run
from qreal_tasks.results.score import GroupScores, RunScores, score_run

RESAMPLES = 2000
HUMAN = "human_plausibility"


@dataclass(frozen=True)
class ReproducedCell:
    """One number of a table."""

    paper: float | None
    """As printed; None where it is not, or cannot be read in the copy at hand."""
    own: float | None
    interval: Estimate | None
    impossible: bool
    """Whether no scores that the printed accuracy, precision and F1 follow have the printed AUC."""

    @property
    def difference(self) -> float | None:
        """Own minus the paper's."""
        return None if self.own is None or self.paper is None else self.own - self.paper

    @property
    def is_within(self) -> bool | None:
        """Whether the paper's number lies in the 95 % interval of the own one."""
        ends = self.interval
        if self.paper is None or ends is None or ends.low is None or ends.high is None:
            return None
        return ends.low <= self.paper <= ends.high


@dataclass(frozen=True)
class ReproducedRow:
    """A model in a table."""

    model: str
    """With its mark."""
    kind: str
    run: str | None
    """Step of the run it is from; None where that is not done."""
    cells: Mapping[str, ReproducedCell]


@dataclass(frozen=True)
class ReproducedTable:
    """A table of the paper, or its part about one question or set."""

    number: int
    part: str
    style: Style
    metrics: tuple[str, ...]
    rows: tuple[ReproducedRow, ...]

    @property
    def half(self) -> str:
        return "objectqa" if self.number == 1 else "imageqa"


def build_tables(
    runs: Sequence[PlannedRun], done: Mapping[str, object], style: Style, resamples: int = RESAMPLES
) -> tuple[ReproducedTable, ...]:
    """All parts of Tables 1 to 4 with the models of the plan, with the prompts of one style.

    The agent has prompts of its own, so its rows are the same in both styles.

    Args:
        runs: of the plan.
        done: names of the steps that are done.

    Raises:
        RunFolderError: a run cannot be read.
        ValueError: a run's records contradict each other.
    """
    reader = _Runs([run for run in runs if run.step in done], resamples)
    models = {run.row for run in runs}
    papers = [paper for paper in load_paper_models() if paper.name in models]
    ablated = [one for one in papers if one.name.endswith((AGENT, SECOND, TUNED))]
    plain = [one for one in papers if not one.name.endswith((AGENT, SECOND))]
    dimensions = tuple(map(str, Dimension))
    parts = [
        *((1, name, plain) for name in QUESTION_NAMES),
        *((2, name, plain) for name in IMAGEQA_SETS if name != HUMAN),
        (3, HUMAN, plain),
        *((4, name, sorted(ablated, key=_place)) for name in dimensions),
    ]
    return tuple(
        _table(number, part, style, [(one, reader.find(one.name, number, style)) for one in rows])
        for number, part, rows in parts
    )


class _Runs:
    """The runs that are done, scored when they are first asked for."""

    def __init__(self, runs: Sequence[PlannedRun], resamples: int) -> None:
        self._runs = runs
        self._score = cache(lambda step: self._scored(step, resamples))

    def find(self, row: str, number: int, style: Style) -> tuple[PlannedRun, RunScores] | None:
        """The run of a row with the half that a table shows."""
        half = "objectqa" if number == 1 else "imageqa"
        for run in self._runs:
            fits = run.style is style or row.endswith(AGENT)
            if run.row == row and half in run.halves and fits:
                return run, self._score(run.step)
        return None

    def _scored(self, step: str, resamples: int) -> RunScores:
        run = next(one for one in self._runs if one.step == step)
        return score_run(read_run(newest_results(run.folder), run.style), resamples=resamples)


def _place(model: PaperModel) -> tuple[str, int]:
    """As the paper's Table 4: a model's ablations, then the model itself."""
    name = model.name.rstrip("*").removesuffix(AGENT).removesuffix(SECOND)
    marks = (AGENT, SECOND, TUNED)
    return name, next(place for place, mark in enumerate(marks) if model.name.endswith(mark))


def _table(
    number: int, part: str, style: Style, rows: Sequence[tuple[PaperModel, tuple[PlannedRun, RunScores] | None]]
) -> ReproducedTable:
    metrics = PAPER_OBJECTQA if number == 1 else PAPER_IMAGEQA
    made = []
    for paper, found in rows:
        printed: PaperRow = (paper.objectqa if number == 1 else paper.imageqa).get(part, {})
        group = found[1].groups("objectqa" if number == 1 else "imageqa").get(part) if found else None
        cells = {metric: _cell(metric, printed, group, number == 1) for metric in metrics}
        made.append(ReproducedRow(paper.name, paper.kind, found[0].step if found else None, cells))
    return ReproducedTable(number, part, style, metrics, tuple(made))


def _cell(metric: str, printed: PaperRow, group: GroupScores | None, is_objectqa: bool) -> ReproducedCell:
    return ReproducedCell(
        paper=printed.get(metric),
        own=group.metrics.get(metric) if group else None,
        interval=group.intervals.get(metric) if group else None,
        impossible=is_objectqa and metric == "auc" and is_impossible(printed),
    )


def is_impossible(printed: PaperRow) -> bool:
    """Whether a printed row's AUC cannot be that of the scores which its decision follows.

    >>> is_impossible({"acc": 0.675, "precision": 0.578, "f1": 0.63, "auc": 0.312})
    True
    """
    acc, precision, f1, auc = (printed.get(metric) for metric in PAPER_OBJECTQA)
    if acc is None or precision is None or f1 is None or auc is None:
        return False
    return check_row(acc, precision, f1, auc) is Feasibility.INFEASIBLE
