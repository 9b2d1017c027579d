"""The list of steps on the terminal: what each does, by which commands, and whether it is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qreal_tasks.console.terminal import echo
from qreal_tasks.steps.records import StepRecords
from qreal_tasks.steps.runner import choose_steps, describe_time
from qreal_tasks.steps.step import Step


def print_steps(steps: Sequence[Step], folder: Path, only: Sequence[str] = ()) -> None:
    """Print the steps, or those of ``only``, each with its commands.

    Raises:
        StepError: as ``choose_steps``.
    """
    chosen, done = choose_steps(steps, only), StepRecords(folder).find_done(steps)
    for step in chosen:
        record = done.get(step.name)
        state = f"done, in {describe_time(record.seconds)}" if record else "to do"
        uses = f" (after {', '.join(step.after)})" if step.after else ""
        echo(f"{step.name}: {state}{uses}\n    {step.about}")
        for command in step.commands:
            echo(f"    $ {command}")
    left = sum(step.name not in done for step in chosen)
    echo(f"{len(chosen)} steps in {folder}, {left} to do; nothing was run")
