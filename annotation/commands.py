"""``qreal annotate``: make drafts of the dataset from images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotation.explained import explained, fail
from annotation.publish.commands import publish_command, push_command
from annotation.verification.commands import verify_app

if TYPE_CHECKING:  # `qreal --help` answers at once
    from annotation.execution.driver import Watcher
    from annotation.llm.budget import Budget
    from qreal_tasks.models.batch_runner import Standing

annotate_app = typer.Typer(
    help="Annotate images: entities, boxes, quality, answers and descriptions, as drafts that people verify.",
    no_args_is_help=True,
)

annotate_app.add_typer(verify_app, name="verify")

_RUN = typer.Argument(help="Folder of the run.", show_default=False)


class _Executor(StrEnum):
    LOCAL = "local"
    RAY = "ray"


_EXECUTOR = typer.Option(help="What computes the stages without a language model.")
_WORKERS = typer.Option(min=1, help="Processes, or Ray tasks, at a time. A GPU on this machine: 1.")
_GPUS = typer.Option(min=0, help="With ray: GPUs of each task.")
_ADDRESS = typer.Option(help='With ray: address of a cluster, or "auto". Default: start Ray on this machine.')


@annotate_app.command("init")
def init_command(
    images: Annotated[
        str,
        typer.Argument(
            help="Folder of images, table (.csv, .jsonl, .parquet with image, prompt, generator), or hub dataset.",
            show_default=False,
        ),
    ],
    run: Annotated[Path, _RUN],
    config: Annotated[Path, typer.Option(help="YAML file like those in configs/annotation/.", show_default=False)],
    executor: Annotated[_Executor, _EXECUTOR] = _Executor.LOCAL,
    workers: Annotated[int, _WORKERS] = 1,
    address: Annotated[str | None, _ADDRESS] = None,
) -> None:
    """Check every image, find duplicates, and write the manifest of a new run.

    Files that cannot be annotated are in the manifest with their reason. An interrupted init goes on where it stopped.
    """
    from collections import Counter

    with explained("init"):
        from annotation import shards
        from annotation.config import load_config
        from annotation.execution.driver import Where, init

        where = Where(executor.value, workers, 0, address)
        with _shown() as watcher:
            made = init(images, run, load_config(config), where, watcher)
        rows = shards.read_table(made.manifest_path, ["name", "state", "reason"]).to_pylist()
        for row in [row for row in rows if row["state"] != "done"][:20]:
            typer.echo(f"{row['state']}: {row['name']}: {row['reason']}")
        states = Counter("accepted" if row["state"] == "done" else row["state"] for row in rows)
        if not states["accepted"]:
            fail("init", f"none of {len(rows)} inputs can be annotated; {made.manifest_path} holds the reasons")
        counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    typer.echo(f"{len(rows)} inputs: {counts}. Next: qreal annotate run {run} --dry-run")


@annotate_app.command("run")
def run_command(
    run: Annotated[Path, _RUN],
    stage: Annotated[
        list[str] | None, typer.Option(help="Only this stage; may be given more than once. Default: all.")
    ] = None,
    images: Annotated[int | None, typer.Option(min=1, help="A pilot: the first shards with so many images.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print calls, tokens and cost; ask nothing.")] = False,
    max_cost: Annotated[float | None, typer.Option(min=0, help="Dollars of the whole run; stop before more.")] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Over the Batch API: half the price, within a day.")] = False,
    poll: Annotated[float, typer.Option(min=1, help="With --batch: seconds between two looks at the batches.")] = 60,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do failed items again first.")] = False,
    executor: Annotated[_Executor, _EXECUTOR] = _Executor.LOCAL,
    workers: Annotated[int, _WORKERS] = 1,
    gpus_each: Annotated[float, _GPUS] = 0,
    address: Annotated[str | None, _ADDRESS] = None,
) -> None:
    """Do what is missing. Stopped or killed at any time and started again, it goes on and pays for nothing twice.

    \b
    qreal annotate run RUN --dry-run               # what it will cost
    qreal annotate run RUN --images 50             # a pilot; then look: qreal annotate preview RUN
    qreal annotate run RUN --max-cost 130          # everything, but not for more than this
    qreal annotate run RUN --batch                 # half the price, within days
    """
    with explained("run"):
        from annotation.execution.driver import Options, Where, discard_failed, run_stages, shards_for
        from annotation.llm.batches import Limits
        from annotation.run_folder import RunFolder
        from annotation.stages.chain import STAGES

        unknown = set(stage or ()) - set(STAGES)
        if unknown:
            fail("run", f"no stage is called {', '.join(sorted(unknown))}, expected {', '.join(STAGES)}")
        folder = RunFolder(run)
        if dry_run:
            from annotation.estimate import forecast
            from annotation.tables import print_forecasts

            print_forecasts(forecast(folder, shards_for(folder, images), batch))
            return
        if retry_failed:
            typer.echo(f"{discard_failed(folder)} shards with failed items are done again")
        options = Options(
            where=Where(executor.value, workers, gpus_each, address),
            stages=tuple(one for one in STAGES if not stage or one in stage),
            images=images,
            max_cost_usd=max_cost,
            batch=Limits(poll_s=poll) if batch else None,
        )
        with _shown() as watcher:
            run_stages(folder, options, watcher)
    typer.echo(f"Done. qreal annotate status {run}; qreal annotate preview {run}")


@annotate_app.command("status")
def status_command(run: Annotated[Path, _RUN]) -> None:
    """Per stage what is done, pending and failed and why, cost so far, and what is left."""
    with explained("status"):
        from annotation.run_folder import RunFolder
        from annotation.status import status_of
        from annotation.tables import print_status

        print_status(status_of(RunFolder(run)))


@annotate_app.command("preview")
def preview_command(
    run: Annotated[Path, _RUN],
    images: Annotated[int, typer.Option(min=1, help="How many images to show, from the first on.")] = 50,
    out: Annotated[Path | None, typer.Option(help="Default: RUN/preview.html.", show_default=False)] = None,
) -> None:
    """Write one HTML page with boxes, scores, answers and descriptions, as far as the run has come."""
    with explained("preview"):
        from annotation.preview.page import write_preview
        from annotation.run_folder import RunFolder

        path = out or run / "preview.html"
        shown = write_preview(RunFolder(run), path, images)
    typer.echo(f"{shown} images: {path}")


annotate_app.command("publish")(publish_command)
annotate_app.command("push")(push_command)


@contextmanager
def _shown() -> Iterator[Watcher]:
    """A bar for each stage, with the cost beside it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from annotation.execution.driver import Watcher

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[beside]}")) as bar:
        tasks = {}

        def stage(name: str, pending: int, total: int) -> None:
            tasks[name] = bar.add_task(f"{name:<10}", total=total, completed=total - pending, beside="")

        def cost(budget: Budget) -> None:
            if tasks and budget.spent_usd:
                bar.update(list(tasks.values())[-1], beside=f"${budget.spent_usd:.2f}")

        def batch(now: Standing) -> None:
            beside = f"{now.open_batches} batches under way, {now.answered} of {now.requests} answered"
            bar.update(list(tasks.values())[-1], beside=f"{beside}; Ctrl-C stops, the same command goes on")

        yield Watcher(stage, lambda name, _: bar.advance(tasks[name]), batch, cost)
