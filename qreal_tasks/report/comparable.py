"""Whether runs may be compared at all: the same data, task versions, prompts and judge."""

from __future__ import annotations

from collections.abc import Sequence

from qreal_tasks.report.run_folder import Run, TaskRun


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
        CompareError: the runs share no task, are on other data or versions, or were judged differently.
    """
    if len(runs) < 2:
        raise CompareError(f"{len(runs)} run given, expected at least two")
    has = [{task.task for task in run.tasks} for run in runs]
    shared = tuple(task.task for task in runs[0].tasks if task.task in set.intersection(*has))
    if not shared:
        raise CompareError("the runs have no task in common")
    for run, name in zip(runs[1:], names[1:], strict=True):
        labels = (names[0], name)
        _require_same_data((runs[0], run), labels)
        _require_same_versions((runs[0], run), labels, shared)
    if not any_judge:
        _require_same_judge(runs, names, shared)
    return shared, tuple(sorted(set.union(*has) - set(shared)))


def _require_same_data(runs: tuple[Run, Run], names: tuple[str, str]) -> None:
    first, second = runs
    if first.data != second.data:
        raise CompareError(
            f"run {names[0]} ({first.model}) is on {first.data}, run {names[1]} ({second.model}) on {second.data}; run "
            "all of them on one dataset"
        )


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
    records = [record for one in run.tasks if one.task == task for record in one.records]
    return sorted({getattr(record, "judge", None) or "" for record in records} - {""})


def _hashes(judges: Sequence[str]) -> set[str]:
    """Of the manifests: the name of a judge is free."""
    return {judge.rpartition("@")[2] for judge in judges}
