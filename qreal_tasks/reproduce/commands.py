"""``qreal reproduce``. Heavy imports stay inside the command."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qreal_tasks.console.command_line import as_folder, fail, fail_on
from qreal_tasks.console.terminal import console, echo
from qreal_tasks.steps.options import DRY_RUN, ONLY

if TYPE_CHECKING:
    from qreal_tasks.reproduce.config import ReproduceConfig
    from qreal_tasks.reproduce.estimate import DataSize
    from qreal_tasks.reproduce.plan import ReproducePlan

_CONFIG = typer.Option(help="What is run, with which models, judge and GPUs.")
_MODELS = typer.Option(
    "--models",
    metavar="NAME",
    help="Only this model, by its name in the config; may be repeated. Default: all.",
    show_default=False,
)


def reproduce_command(
    data: Annotated[
        str | None, typer.Option(help="Hub id or folder of the dataset. Default: $QREAL_DATA.", show_default=False)
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where everything goes; the same one goes on.")] = Path("runs/reproduce"),
    config: Annotated[Path, _CONFIG] = Path("configs/reproduce.yaml"),
    models: Annotated[list[str] | None, _MODELS] = None,
    only: Annotated[list[str] | None, ONLY] = None,
    dry_run: Annotated[bool, DRY_RUN] = False,
) -> None:
    """Reproduce Tables 1 to 4 of the paper: evaluate, fine-tune, both ablations, judge, and set the numbers beside its.

    \b
    qreal reproduce --data org/name --dry-run
    qreal reproduce --data org/name --models qwen2.5-vl-7b
    qreal reproduce --data org/name --only 'train-*-llava*'

    Writes everything into --folder. Prints GPU hours and dollars first, computed, or measured where a step is done.
    Goes on where it was stopped. Several machines that see one folder share the work by --only. Ends with
    FOLDER/tables.html and tables.json.
    """
    from qreal_tasks.dataset.source import ENVIRONMENT, DatasetError
    from qreal_tasks.reproduce.config import ReproduceError, load_reproduce_config
    from qreal_tasks.reproduce.plan import plan_reproduction
    from qreal_tasks.results.run_folder import RunFolderError
    from qreal_tasks.steps.listing import print_steps
    from qreal_tasks.steps.runner import StepError, run_steps

    place = as_folder(data or os.environ.get(ENVIRONMENT) or None)
    with fail_on("reproduce", ReproduceError, StepError, DatasetError, RunFolderError, ValueError, OSError):
        found = load_reproduce_config(config, models)
        plan = plan_reproduction(folder, found, place or "DATA")
        size = _measure(place, dry_run)
        if dry_run:
            print_steps(plan.steps, folder, only or ())
        _print_costs(plan, found, folder, size)
        if dry_run:
            return
        assert place is not None
        try:
            run_steps(plan.steps, folder, "reproduce", only=only or ())
        finally:
            _write(plan, found, folder, place, size)


def _measure(data: str | None, dry_run: bool) -> DataSize:
    """Count what there is to learn and ask; a plan can be seen without data."""
    from qreal_tasks.dataset.source import ENVIRONMENT
    from qreal_tasks.reproduce.estimate import PAPER_SIZE, measure_data

    if data is not None:
        return measure_data(data)
    if not dry_run:
        fail("reproduce", f"which dataset? Pass --data org/name or a folder, or set {ENVIRONMENT}")
    return PAPER_SIZE


def _print_costs(plan: ReproducePlan, config: ReproduceConfig, folder: Path, size: DataSize) -> None:
    from rich.table import Table

    from qreal_tasks.reproduce.estimate import COMPUTED, MEASURED, estimate_costs
    from qreal_tasks.steps.records import StepRecords

    costs = estimate_costs(plan, config, size, StepRecords(folder).find_done(plan.steps))
    table = Table(title=f"GPU hours ({config.hardware.gpu}) and dollars", title_justify="left")
    for name, justify in (("Step", "left"), ("GPU hours", "right"), ("US dollars", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for step, cost in costs.items():
        table.add_row(step, f"{cost.gpu_hours:,.2f}" if cost.gpu_hours else "", f"{cost.usd:,.2f}", cost.how)
    for how in (MEASURED, COMPUTED):
        some = [cost for cost in costs.values() if cost.how == how]
        if some:
            hours, usd = sum(cost.gpu_hours for cost in some), sum(cost.usd for cost in some)
            table.add_row(f"all, {how}", f"{hours:,.2f}", f"{usd:,.2f}", how, style="bold")
    console().print(table)
    hardware = config.hardware
    echo(
        f"Computed from sizes ({size.source}), with {hardware.utilisation:.0%} of {hardware.tflops:g} TFLOP/s and of "
        f"{hardware.bandwidth_gb_s:g} GB/s, and {hardware.usd_per_gpu_hour:g} dollars an hour, as the config says: an "
        "upper bound in picture tokens, without loading and waiting."
    )


def _write(plan: ReproducePlan, config: ReproduceConfig, folder: Path, data: str, size: DataSize) -> None:
    """Write the tables of what is done, also of a run that was stopped."""
    from qreal_tasks.dataset.source import locate
    from qreal_tasks.reproduce.estimate import estimate_costs
    from qreal_tasks.reproduce.page import write_tables
    from qreal_tasks.reproduce.tables import build_tables
    from qreal_tasks.steps.records import StepRecords

    if not folder.is_dir():
        return
    done = StepRecords(folder).find_done(plan.steps)
    left = [step.name for step in plan.steps if step.name not in done]
    path = write_tables(
        folder,
        {style: build_tables(plan.runs, done, style) for style in config.prompts},
        data=data,
        judge=config.judge,
        is_drawn=locate(data).is_drawn,
        costs=estimate_costs(plan, config, size, done),
        left=left,
    )
    echo(f"{_count_left(left)}Tables: {path.resolve()}")


def _count_left(left: Sequence[str]) -> str:
    if not left:
        return ""
    return f"{len(left)} steps are not done ({', '.join(left[:3])}{', …' if len(left) > 3 else ''}). "
