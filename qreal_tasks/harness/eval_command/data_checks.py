"""Check that the dataset has what the tasks of a run need, before lmms-eval is loaded."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qreal_tasks.benchmark import GROUPS, Style, task_of
from qreal_tasks.harness.eval_command.arguments import Arguments, RunError

if TYPE_CHECKING:  # its library takes seconds, and what is wrong with the arguments is said before
    from qreal_tasks.dataset.source import Source


def locate_data(arguments: Arguments) -> tuple[Source, tuple[str, ...]]:
    """The dataset, and the tasks to ask on it: those that were named, else all that it has the pictures for.

    Raises:
        RunError: there is no such dataset, it has problems, or lacks what a named task needs.
    """
    from qreal_tasks.dataset.source import DatasetError, locate

    try:
        source = locate()
        _require_sound(source)
        if arguments.tasks_named:
            _require_portraits(source, arguments.tasks)
            return source, arguments.tasks
        return source, arguments.tasks if _has_portraits(source) else _without_portraits(Style.BENCHMARK)
    except DatasetError as error:
        raise RunError(str(error)) from None


def _require_sound(source: Source) -> None:
    from qreal_tasks.dataset.check import check_dataset

    problems = check_dataset(source, splits=("test",))
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:5])
        more = f"\n  … and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise RunError(
            f"dataset {source.name} has {len(problems)} problems in its test split; "
            f"`qreal data check {source.name}` lists all:\n{shown}{more}"
        )


def _require_portraits(source: Source, tasks: Sequence[str]) -> None:
    for style, group in GROUPS.items():
        portraits = task_of(style, "human_plausibility")
        needing = (group, f"{group}_imageqa", portraits)
        wanting = [task for task in tasks if any(fnmatch.fnmatch(name, task) for name in needing)]
        if wanting and not _has_portraits(source):
            raise RunError(
                f"dataset {source.name} has no portrait with body-part descriptions in its test split, which "
                f"{wanting[0]} needs for {portraits}. Name the other tasks: --tasks "
                f"{','.join(_without_portraits(style))}"
            )


def _has_portraits(source: Source) -> bool:
    from qreal_tasks.dataset.check import count_split

    return count_split(source, "test").with_parts > 0


def _without_portraits(style: Style) -> tuple[str, ...]:
    """All tasks of a style but human plausibility."""
    return f"{GROUPS[style]}_objectqa", task_of(style, "realism"), task_of(style, "plausibility")
