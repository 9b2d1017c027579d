"""The figures that the page of the tour shows, read from what the steps left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from qreal_tasks.benchmark import Dimension
from qreal_tasks.dataset.check.info import SplitCounts, count_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.files.regular import read_text
from qreal_tasks.metrics.bootstrap import Estimate
from qreal_tasks.results.compare import compare_runs
from qreal_tasks.results.conclusion import conclude
from qreal_tasks.results.run_folder import Run, newest_results, read_run
from qreal_tasks.results.score import RunScores, score_run
from qreal_tasks.tour.plan import RUNS, TourPlaces

RESAMPLES = 10_000


@dataclass(frozen=True)
class Figure:
    """A number and its 95 % interval, where there is one."""

    value: float | None
    interval: Estimate | None = None


@dataclass(frozen=True)
class ModelFigures:
    """What one run comes to; means are over the six questions, or over realism and plausibility."""

    name: str
    accuracy: Figure
    auc: Figure
    detection: Figure
    """F1 of the flawed entities at an IoU of .5."""
    llm_score: Figure


@dataclass(frozen=True)
class ScreeningFigures:
    """How many new images were judged, and in how many a flaw is more likely than not."""

    images: int
    judged: int
    flawed: Mapping[str, int]


@dataclass(frozen=True)
class TourFigures:
    """All of them; None where the step was not done."""

    test: SplitCounts
    train: SplitCounts
    trivial: float
    """Accuracy of the better of always Yes and always No, in the mean over the questions."""
    models: Sequence[ModelFigures]
    shipped_conclusion: str
    tuned_conclusion: str
    screening: ScreeningFigures | None
    annotation: SplitCounts


def collect_figures(at: TourPlaces) -> TourFigures:
    """Compute every figure from the runs and datasets in the folder.

    Raises:
        RunFolderError: a run cannot be read.
        DatasetError: a dataset cannot be read.
        OSError: something is not there.
    """
    runs = {run: read_run(newest_results(at.run(run))) for run in RUNS}
    scores = {run: score_run(found, resamples=RESAMPLES) for run, found in runs.items()}
    source = locate(str(at.data.resolve()))
    best = [one.best_baseline("acc") for one in scores["worse"].objectqa.values() if one.baselines]
    return TourFigures(
        test=count_split(source, "test"),
        train=count_split(source, "train"),
        trivial=fmean(value for value, _ in filter(None, best)),
        models=[_of_model(RUNS[run].capitalize(), found) for run, found in scores.items()],
        shipped_conclusion=_conclude(runs, "worse", "shipped"),
        tuned_conclusion=_conclude(runs, "worse", "tuned"),
        screening=_of_screening(at.screening / "images.jsonl"),
        annotation=count_split(locate(str((at.annotation / "dataset").resolve())), "test"),
    )


def _of_model(name: str, scores: RunScores) -> ModelFigures:
    overall, dimensions = scores.objectqa["overall"], [scores.imageqa[str(dimension)] for dimension in Dimension]

    def mean(metric: str) -> Figure:
        values = [group.metrics[metric] for group in dimensions]
        return Figure(None if None in values else fmean(value for value in values if value is not None))

    def of_all(metric: str) -> Figure:
        return Figure(overall.metrics[metric], overall.intervals.get(metric))

    return ModelFigures(name, of_all("acc"), of_all("auc"), mean("f1_at_50"), mean("llm_score"))


def _conclude(runs: Mapping[str, Run], against: str, run: str) -> str:
    names = f"the {RUNS[against]}", f"The {RUNS[run]}"
    return conclude(replace(compare_runs([runs[against], runs[run]], resamples=RESAMPLES), names=names))


def _of_screening(path: Path) -> ScreeningFigures | None:
    if not path.is_file():
        return None
    rows = [json.loads(line) for line in read_text(path).splitlines()]
    chances = {str(dimension): [row[f"p_{dimension}"] for row in rows] for dimension in Dimension}
    return ScreeningFigures(
        images=len(rows),
        judged=sum(row["state"] == "judged" for row in rows),
        flawed={name: sum(p is not None and p > 0.5 for p in found) for name, found in chances.items()},
    )
