"""Whether runs may be compared at all: the same samples and references, task versions, prompts and judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qreal_tasks.benchmark import GROUPS, IMAGEQA_SETS
from qreal_tasks.records import GroundingRecord, Record
from qreal_tasks.results.asked import quote_difference
from qreal_tasks.results.run_folder import Run, TaskRun, describe_limit

_OF_THE_DATASET = ("image_id", "generator", "is_portrait", "label", "width", "height", "reference")
"""Fields of records that the dataset gives, whatever the model said."""


class CompareError(ValueError):
    """Runs whose numbers mean different things; the message says which and what to do."""


def require_comparable(
    runs: Sequence[Run], names: Sequence[str], *, any_judge: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tasks that all runs have, and tasks that only some have.

    Args:
        names: what to call the runs in a message.
        any_judge: let runs of different judges pass.

    Raises:
        CompareError: the runs share no task, differ in samples, references or versions, or were judged differently.
    """
    if len(runs) < 2:
        raise CompareError(f"{len(runs)} run given, expected at least two")
    for run, name in zip(runs[1:], names[1:], strict=True):
        if run.style is not runs[0].style:
            raise CompareError(
                f"run {names[0]} is of {GROUPS[runs[0].style]}, run {name} of {GROUPS[run.style]}: other words around "
                "the questions, so their numbers are not comparable"
            )
    has = [{task.task for task in run.tasks} for run in runs]
    shared = tuple(task.task for task in runs[0].tasks if task.task in set.intersection(*has))
    if not shared:
        raise CompareError("the runs have no task in common")
    for run, name in zip(runs[1:], names[1:], strict=True):
        labels = (names[0], name)
        _require_same_data((runs[0], run), labels, shared)
        _require_same_versions((runs[0], run), labels, shared)
        _require_same_frames((runs[0], run), labels, shared)
    if not any_judge:
        _require_same_judge(runs, names, shared)
    return shared, tuple(sorted(set.union(*has) - set(shared)))


def _require_same_data(runs: tuple[Run, Run], names: tuple[str, str], tasks: Sequence[str]) -> None:
    """The samples and what the dataset says of them count, not where the dataset was: a copy is the same set."""
    where = f"run {names[0]} is on {runs[0].data}, run {names[1]} on {runs[1].data}; run all of them on one dataset"
    for task in tasks:
        first, second = ({record.sample_id: record for record in _records(run, task)} for run in runs)
        if odd := min(first.keys() ^ second.keys(), default=None):
            only = f"{task}: {odd} is only in run {names[0 if odd in first else 1]}"
            raise CompareError(f"{only}; {_partial(runs, names) or where}")
        for name, field in ((name, field) for name in first for field in _OF_THE_DATASET):
            a, b = (getattr(one[name], field, None) for one in (first, second))
            if a != b:
                found = f"{a!r:.100} in run {names[0]}, {b!r:.100} in run {names[1]}"
                raise CompareError(f"{task}: {name}: {field} is {found}; {where}")


def _partial(runs: Sequence[Run], names: Sequence[str]) -> str | None:
    """Which runs hold a part of the samples, when there are any."""
    found = [f"run {name} was {describe_limit(run)}" for run, name in zip(runs, names, strict=True) if run.limit]
    return f"{' and '.join(found)}; compare runs of the same samples" if found else None


def _records(run: Run, task: str) -> tuple[Record, ...]:
    return next(one.records for one in run.tasks if one.task == task)


def _require_same_versions(runs: tuple[Run, Run], names: tuple[str, str], tasks: Sequence[str]) -> None:
    versions = [{task.task: _version(task) for task in run.tasks} for run in runs]
    for task in tasks:
        if versions[0][task] != versions[1][task]:
            raise CompareError(
                f"{task}: task version and prompt are {versions[0][task]} in run {names[0]}, {versions[1][task]} in "
                f"run {names[1]}; their numbers are not comparable, run one of them again"
            )


def _version(task: TaskRun) -> str:
    prompts = sorted({record.prompt_version for record in task.records})
    return f"{task.version} / {', '.join(prompts)}"


def _require_same_frames(runs: tuple[Run, Run], names: tuple[str, str], tasks: Sequence[str]) -> None:
    """What stands before and after a question changes what a model answers, whatever the version says."""
    for task in tasks:
        for field in ("pre_prompt", "post_prompt"):
            a, b = (" / ".join(sorted({getattr(r, field) for r in _records(run, task)})) for run in runs)
            if a != b:
                raise CompareError(
                    f"{task}: {field} is {quote_difference(a, b)} in run {names[0]}, "
                    f"{quote_difference(b, a)} in run {names[1]}; only runs that were asked alike can "
                    "be compared, run one of them again"
                )


def _require_same_judge(runs: Sequence[Run], names: Sequence[str], tasks: Sequence[str]) -> None:
    """A run without a judge has no LLM-Score to compare; its other numbers are fine."""
    for task in tasks:
        judged = [(name, judges) for run, name in zip(runs, names, strict=True) if (judges := _judges(run, task))]
        for name, judges in judged[1:]:
            if _hashes(judges) != _hashes(judged[0][1]):
                raise CompareError(
                    f"{task}: the descriptions of run {judged[0][0]} were judged by {', '.join(judged[0][1])}, those "
                    f"of run {name} by {', '.join(judges)}: LLM-Scores of different judges are not comparable. Judge "
                    "one of them again with `qreal judge RUN --judge …`, or pass --any-judge"
                )


def _judges(run: Run, task: str) -> list[str]:
    """Titles of the judges that scored a task."""
    return sorted({getattr(record, "judge", None) or "" for record in _records(run, task)} - {""})


def _hashes(judges: Sequence[str]) -> set[str]:
    """The hashes of the manifests, which alone tell judges apart: the name of a judge is free."""
    return {judge.rpartition("@")[2] for judge in judges}


def keep_shared_scores(runs: Sequence[Run]) -> tuple[list[Run], dict[str, int]]:
    """Keep a judge's scores only of images that every judged run has them for, and count the others of each set.

    An image has scores when the judge gave every pair of it one; an image without pairs has them when it was judged. A
    run without a score in a set does not count there: it has no LLM-Score to compare.
    """
    left_out = {name: ids for name in IMAGEQA_SETS if (ids := _partly_scored(runs, name))}
    kept = [[_without_scores(task, left_out.get(task.name, set())) for task in run.tasks] for run in runs]
    counts = {name: len(ids) for name, ids in left_out.items()}
    return [replace(run, tasks=tuple(tasks)) for run, tasks in zip(runs, kept, strict=True)], counts


def _without_scores(task: TaskRun, image_ids: set[str]) -> TaskRun:
    records = (
        replace(record, scores=None) if isinstance(record, GroundingRecord) and record.image_id in image_ids else record
        for record in task.records
    )
    return replace(task, records=tuple(records)) if image_ids else task


def _partly_scored(runs: Sequence[Run], name: str) -> set[str]:
    """Images with a flawed entity that at least one judged run has no scores for; the others are in no LLM-Score."""
    asked = [run.groundings(name) for run in runs]
    judged = [records for records in asked if any(record.scores is not None for record in records)]
    return {r.image_id for records in judged for r in records if r.reference and (r.scores is None or None in r.scores)}
