"""Check that the dataset has what the tasks of a run need, before lmms-eval is loaded."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qreal_tasks.benchmark import GROUPS, task_of
from qreal_tasks.harness.eval_command.arguments import RunError

if TYPE_CHECKING:  # its library takes seconds, and what is wrong with the arguments is said before
    from qreal_tasks.dataset.source import Source


def locate_data(tasks: Sequence[str]) -> Source:
    """The dataset, when it has what the tasks need."""
    from qreal_tasks.dataset.source import DatasetError, locate

    try:
        source = locate()
        _check_data(source, tasks)
    except DatasetError as error:
        raise RunError(str(error)) from None
    return source


def _check_data(source: Source, tasks: Sequence[str]) -> None:
    from qreal_tasks.dataset.check import check_dataset, count_split

    problems = check_dataset(source, splits=("test",))
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:5])
        more = f"\n  … and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise RunError(
            f"dataset {source.name} has {len(problems)} problems in its test split; "
            f"`qreal data check {source.name}` lists all:\n{shown}{more}"
        )
    for style, group in GROUPS.items():
        portraits = task_of(style, "human_plausibility")
        needing = (group, f"{group}_imageqa", portraits)
        wanting = [task for task in tasks if any(fnmatch.fnmatch(name, task) for name in needing)]
        if wanting and not count_split(source, "test").with_parts:
            others = f"{group}_objectqa,{task_of(style, 'realism')},{task_of(style, 'plausibility')}"
            raise RunError(
                f"dataset {source.name} has no portrait with body-part descriptions in its test split, which "
                f"{wanting[0]} needs for {portraits}. Name the other tasks: --tasks {others}"
            )
