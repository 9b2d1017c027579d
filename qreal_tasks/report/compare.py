"""Two runs side by side, paired by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qreal_tasks.benchmark import IMAGEQA_SETS
from qreal_tasks.metrics.bootstrap import Difference
from qreal_tasks.metrics.grounding import compare_grounding
from qreal_tasks.metrics.objectqa import compare_objectqa
from qreal_tasks.records import GroundingRecord, JudgmentRecord
from qreal_tasks.report.run_folder import Run, TaskRun
from qreal_tasks.report.score import RunScores, score_run


class CompareError(ValueError):
    """Two runs whose numbers mean different things; the message says which and what to do."""


@dataclass(frozen=True)
class Comparison:
    """First run minus second run on the tasks that both have."""

    first: RunScores
    second: RunScores
    differences: Mapping[str, Mapping[str, Difference]]
    """Row of a table to metric."""


def compare_runs(
    first: Run, second: Run, *, resamples: int = 10_000, seed: int = 0, any_judge: bool = False
) -> Comparison:
    """Differences with 95 % intervals from a bootstrap that draws the same images for both runs.

    Args:
        any_judge: compare LLM-Scores even though different judges, or different prompts of one, gave them.

    Raises:
        CompareError: the runs share no task, are on other data or versions, or were judged differently.
        ValueError: they do not hold the same items; names the first that differs.
    """
    shared = [task.task for task in first.tasks if task.task in {other.task for other in second.tasks}]
    if not shared:
        raise CompareError("the two runs have no task in common")
    _require_same_data(first, second)
    _require_same_versions(first, second, shared)
    a, b = _only(first, shared), _only(second, shared)
    if not any_judge:
        _require_same_judge(a, b)
    return Comparison(
        first=score_run(a, resamples=0),
        second=score_run(b, resamples=0),
        differences=_differences(a, b, resamples, seed),
    )


def _require_same_data(first: Run, second: Run) -> None:
    if first.data != second.data:
        raise CompareError(f"the first run is on {first.data}, the second on {second.data}; run both on one dataset")


def _require_same_versions(first: Run, second: Run, tasks: Sequence[str]) -> None:
    versions = [{task.task: _version(task) for task in run.tasks} for run in (first, second)]
    for task in tasks:
        if versions[0][task] != versions[1][task]:
            raise CompareError(
                f"{task}: task version and prompt {versions[0][task]} in the first run, {versions[1][task]} in the "
                "second; their numbers are not comparable, run one of them again"
            )


def _version(task: TaskRun) -> str:
    prompts = sorted({record.prompt_version for record in task.records})
    return f"{task.version} / {', '.join(prompts)}"


def _require_same_judge(first: Run, second: Run) -> None:
    """A run without a judge has no LLM-Score to compare; its other numbers are fine."""
    for ours, theirs in zip(_judges(first), _judges(second), strict=True):
        if not ours or not theirs or ours == theirs:
            continue
        raise CompareError(
            f"the descriptions of the first run were judged by {', '.join(first.judges)}, those of the second by "
            f"{', '.join(second.judges)}: LLM-Scores of different judges are not comparable. Judge one of them again "
            "with `qreal judge RUN --judge …`, or pass --any-judge"
        )


def _judges(run: Run) -> list[set[str]]:
    """Hashes of the manifests that scored each task."""
    tasks = sorted(run.tasks, key=lambda task: task.task)
    named = [{getattr(record, "judge", None) or "" for record in task.records} - {""} for task in tasks]
    return [{name.rpartition("@")[2] for name in names} for names in named]


def _only(run: Run, tasks: Sequence[str]) -> Run:
    return Run(
        run.results_path, run.model, run.model_args, run.limit, tuple(task for task in run.tasks if task.task in tasks)
    )


def _differences(first: Run, second: Run, resamples: int, seed: int) -> dict[str, Mapping[str, Difference]]:
    found: dict[str, Mapping[str, Difference]] = {}
    judgments = [[r for t in run.tasks for r in t.records if isinstance(r, JudgmentRecord)] for run in (first, second)]
    if judgments[0]:
        found |= compare_objectqa(judgments[0], judgments[1], resamples=resamples, seed=seed)
    for name in IMAGEQA_SETS:
        a, b = (
            [r for t in run.tasks for r in t.records if isinstance(r, GroundingRecord) and r.set_name == name]
            for run in (first, second)
        )
        if a:
            found[name] = compare_grounding(a, b, resamples=resamples, seed=seed)
    return found
