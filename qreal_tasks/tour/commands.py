"""``qreal tour``. Heavy imports stay inside the command."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from qreal_tasks.console.command_line import fail, fail_on
from qreal_tasks.console.terminal import echo
from qreal_tasks.steps.options import DRY_RUN, ONLY

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "WANDB_MODE": "disabled",
    # Tiny models are slower on several threads than on one.
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
_NEEDED = ("lmms_eval", "torch", "transformers", "trl", "accelerate", "aiohttp")


def tour_command(
    folder: Annotated[Path, typer.Option(help="Where everything goes; the same one goes on.")] = Path("runs/tour"),
    only: Annotated[list[str] | None, ONLY] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Steps at a time. Default: 2, on one core 1.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, DRY_RUN] = False,
) -> None:
    """See all that this software does, on drawn pictures, offline, in under eight minutes on two cores.

    \b
    qreal tour
    qreal tour --folder runs/tour --only fine-tune

    Writes everything into --folder. Draws a dataset, evaluates the model that ships and a worse one, fine-tunes the
    worse one, judges, compares, submits for practice, ranks, screens new images and annotates. Ends with one page that
    links every page made: FOLDER/index.html. What is done is not done again; every step has a log in FOLDER/logs.
    """
    from qreal_tasks.steps.listing import print_steps
    from qreal_tasks.steps.runner import StepError, run_steps
    from qreal_tasks.tour.plan import plan_tour

    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        fail("tour", f"{', '.join(missing)} not installed; install qreal-bench[eval,train,annotate,annotate-local]")
    steps = plan_tour(folder)
    with fail_on("tour", StepError, OSError):
        if dry_run:
            print_steps(steps, folder, only or ())
            return
        jobs = jobs or min(2, os.cpu_count() or 1)
        run_steps(steps, folder, "tour", only=only or (), jobs=jobs, environment=OFFLINE)
    _finish(folder, bool(only))


def _finish(folder: Path, is_part: bool) -> None:
    """Write the page, once all steps are done."""
    from qreal_tasks.dataset.source import DatasetError
    from qreal_tasks.results.run_folder import RunFolderError
    from qreal_tasks.steps.records import StepRecords
    from qreal_tasks.tour.index_page import write_index
    from qreal_tasks.tour.plan import plan_tour

    steps = plan_tour(folder)
    done = StepRecords(folder).find_done(steps)
    if left := [step.name for step in steps if step.name not in done]:
        echo(f"Left to do: {', '.join(left)}" + (". `qreal tour` does them all" if is_part else ""))
        return
    with fail_on("tour", RunFolderError, DatasetError, OSError):
        path = write_index(folder, steps)
    echo(f"\nEverything that was made, on one page: {path.resolve()}")
