"""Several runs side by side, paired by sample and image: what differs, how surely, and on which samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.metrics.bootstrap import Difference
from qreal_tasks.metrics.catalogue import PAPER_IMAGEQA
from qreal_tasks.metrics.grounding import compare_grounding
from qreal_tasks.metrics.objectqa import compare_objectqa
from qreal_tasks.metrics.significance import Power, estimate_power, holm
from qreal_tasks.results.comparable import keep_shared_scores, require_comparable
from qreal_tasks.results.flips import Flips, Movement, compare_images, find_flips
from qreal_tasks.results.model_names import name_runs
from qreal_tasks.results.run_folder import Run
from qreal_tasks.results.score import RunScores, score_run

TESTED: Mapping[str, tuple[str, ...]] = {
    "objectqa": ("acc", "f1", "auc", "balanced"),
    "imageqa": (*PAPER_IMAGEQA, "f1_at_50", "penalized_overlap", "joint_score"),
}
"""Half of the benchmark to the metrics that are tested: correction is for these, whatever else a ``RunPair`` holds."""

MOST_MOVED = 20
"""Images listed for each set."""


@dataclass(frozen=True)
class MetricDifference:
    """One metric of one row: the difference and what it is worth."""

    difference: Difference
    p_corrected: float | None
    """By Holm's method over ``Comparison.family``; None where nothing was tested."""
    power: Power | None


Rows = Mapping[str, Mapping[str, Difference]]
Test = tuple[str, str, str]
"""Table, row, metric."""
MetricDifferences = Mapping[str, Mapping[str, MetricDifference]]
"""Row of a table to metric."""


@dataclass(frozen=True)
class RunPair:
    """A run against another: every difference is ``run`` minus ``against``."""

    run: int
    against: int
    objectqa: MetricDifferences
    imageqa: MetricDifferences
    flips: Mapping[str, Flips]
    """By question."""
    movements: Mapping[str, Movement]
    """By ImageQA set."""

    def findings(self, half: str) -> MetricDifferences:
        """Those of ``objectqa`` or ``imageqa``."""
        return self.objectqa if half == "objectqa" else self.imageqa

    @property
    def tested(self) -> list[MetricDifference]:
        """The metrics of ``TESTED`` in every row."""
        return [
            row[metric]
            for half, metrics in TESTED.items()
            for row in self.findings(half).values()
            for metric in metrics
            if metric in row
        ]


@dataclass(frozen=True)
class Comparison:
    """All runs on the tasks that all of them have."""

    names: tuple[str, ...]
    """Short names of the runs, all different, in the order given."""
    runs: tuple[RunScores, ...]
    baseline: int
    pairs: tuple[RunPair, ...]
    """Every run against the baseline, then every other pair, the later against the earlier."""
    family: int
    """How many tests the p-values of the pairs with the baseline are corrected for: all shown metrics of them."""
    left_out: tuple[str, ...]
    """Tasks that not all runs have."""
    unscored: Mapping[str, int]
    """ImageQA set to how many images LLM-Score and Joint leave out, because a judged run has no scores for them."""
    resamples: int

    @property
    def data(self) -> str:
        """Where the dataset was; by run where copies of it were in several places."""
        places = [one.run.data for one in self.runs]
        if len(set(places)) == 1:
            return places[0]
        return ", ".join(f"{name}: {place}" for name, place in zip(self.names, places, strict=True))

    @property
    def is_drawn(self) -> bool:
        return any(one.run.is_drawn for one in self.runs)

    @property
    def shown(self) -> tuple[RunPair, ...]:
        """The pairs with the baseline."""
        return self.pairs[: len(self.runs) - 1]

    @property
    def smallest_p(self) -> float:
        """No corrected p-value can come below it, however large the difference: more resamples lower it."""
        return min(1.0, 2 / (self.resamples + 1) * self.family)


def compare_runs(
    runs: Sequence[Run], *, baseline: int = 0, resamples: int = 10_000, seed: int = 0, any_judge: bool = False
) -> Comparison:
    """Differences with 95 % intervals from a bootstrap that draws the same images for all runs.

    LLM-Score and Joint are over the images for which every judged run has the scores of all pairs.

    P-values are corrected by Holm's method: those of the pairs with the baseline for each other, over every metric of
    ``TESTED`` in every row, since these are read together; those of the other pairs over the same metrics of all pairs.

    Args:
        runs: two or more.
        baseline: position of the run that the others are compared with.
        any_judge: compare LLM-Scores even though different judges, or different prompts of one, gave them.

    Raises:
        CompareError: the runs share no task, differ in samples, references or versions, or were judged differently.
        ValueError: records that contradict each other.
    """
    names = name_runs(runs)
    shared, left_out = require_comparable(runs, names, any_judge=any_judge)
    runs = [replace(run, tasks=tuple(task for task in run.tasks if task.task in shared)) for run in runs]
    order = _order(len(runs), baseline)
    runs, unscored = keep_shared_scores(runs)
    objectqa, imageqa = _differences(runs, order, resamples, seed)
    corrected = _corrected(objectqa, imageqa, len(runs) - 1)
    return Comparison(
        names=names,
        runs=tuple(score_run(run, resamples=0) for run in runs),
        baseline=baseline,
        pairs=tuple(_pair(runs, *found) for found in zip(order, objectqa, imageqa, corrected, strict=True)),
        family=sum(p is not None for one in corrected[: len(runs) - 1] for p in one.values()),
        left_out=left_out,
        unscored=unscored,
        resamples=resamples,
    )


def _pair(
    runs: Sequence[Run], places: tuple[int, int], objectqa: Rows, imageqa: Rows, corrected: Mapping[Test, float | None]
) -> RunPair:
    run, against = (runs[place] for place in places)
    return RunPair(
        *places,
        _findings("objectqa", objectqa, corrected),
        _findings("imageqa", imageqa, corrected),
        _flips(run, against),
        _movements(run, against),
    )


def _order(n: int, baseline: int) -> list[tuple[int, int]]:
    others = [place for place in range(n) if place != baseline]
    return [(place, baseline) for place in others] + [(b, a) for a in others for b in others if a < b]


def _differences(
    runs: Sequence[Run], order: Sequence[tuple[int, int]], resamples: int, seed: int
) -> tuple[list[Rows], list[Rows]]:
    """ObjectQA and ImageQA, a mapping a pair."""
    objectqa: list[Rows] = [{} for _ in order]
    judged = [[r for name in QUESTION_NAMES for r in run.judgments(name)] for run in runs]
    if judged[0]:
        objectqa = list(compare_objectqa(judged, order, resamples=resamples, seed=seed))
    imageqa: list[dict[str, Mapping[str, Difference]]] = [{} for _ in order]
    for name in IMAGEQA_SETS:
        grounded = [run.groundings(name) for run in runs]
        if grounded[0]:
            found = compare_grounding(grounded, order, resamples=resamples, seed=seed)
            for rows, metrics in zip(imageqa, found, strict=True):
                rows[name] = metrics
    return objectqa, list(imageqa)


def _corrected(objectqa: Sequence[Rows], imageqa: Sequence[Rows], n_shown: int) -> list[dict[Test, float | None]]:
    """Corrected p-values, a mapping a pair: the first ``n_shown`` among themselves, the rest among all."""
    tests = [
        (place, (table, row, metric), rows[place][row][metric].p_value)
        for place in range(len(objectqa))
        for table, rows in (("objectqa", objectqa), ("imageqa", imageqa))
        for row in rows[place]
        for metric in TESTED[table]
        if metric in rows[place][row]
    ]
    found: list[dict[Test, float | None]] = [{} for _ in objectqa]
    shown = [test for test in tests if test[0] < n_shown]
    for family, keep in ((tests, range(n_shown, len(objectqa))), (shown, range(n_shown))):
        for (place, test, _), p in zip(family, holm([p for _, _, p in family]), strict=True):
            if place in keep:
                found[place][test] = p
    return found


def _findings(table: str, rows: Rows, corrected: Mapping[Test, float | None]) -> MetricDifferences:
    return {
        row: {
            metric: MetricDifference(d, corrected.get((table, row, metric)), estimate_power(d.value, d.error, d.n))
            for metric, d in metrics.items()
        }
        for row, metrics in rows.items()
    }


def _flips(run: Run, against: Run) -> dict[str, Flips]:
    asked = {name: (run.judgments(name), against.judgments(name)) for name in QUESTION_NAMES}
    return {name: find_flips(*records) for name, records in asked.items() if records[0]}


def _movements(run: Run, against: Run) -> dict[str, Movement]:
    asked = {name: (run.groundings(name), against.groundings(name)) for name in IMAGEQA_SETS}
    return {name: compare_images(*records, most=MOST_MOVED) for name, records in asked.items() if records[0]}
