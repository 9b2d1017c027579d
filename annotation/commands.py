"""``qreal annotate``: make drafts of the dataset from images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotation.demo.commands import demo_command
from annotation.explained import explained, fail
from annotation.label_studio.commands import verify_app
from annotation.publish.commands import publish_command, push_command
from qreal_tasks.console.command_line import new_group
from qreal_tasks.console.terminal import echo

if TYPE_CHECKING:  # `qreal --help` answers at once
    from annotation.execution.driver import Watcher
    from annotation.llm.budget import Budget
    from annotation.run.folder import RunFolder
    from qreal_tasks.llm.batch.runner import Standing

annotate_app = new_group(
    "Annotate images: entities, boxes, quality, answers and descriptions, as drafts that people verify."
)

annotate_app.add_typer(verify_app, name="verify")
annotate_app.command("demo")(demo_command)

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
            help="Folder of images, table (.csv, .tsv, .jsonl, .json, .parquet) with image, prompt, generator, or hub "
            "dataset.",
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

    \b
    IMAGES/sdxl/1.png   a picture of the generator sdxl
    IMAGES/sdxl/1.txt   its prompt; also 1.caption, 1.png.txt, or a row of a metadata.csv or metadata.jsonl (file_name,
                        prompt) in one of the folders
    """
    with explained("init"):
        from annotation.config import load_config
        from annotation.execution.driver import Where, init
        from annotation.intake.summary import Summary

        where = Where(executor.value, workers, 0, address)
        with _shown() as watcher:
            made = init(images, run, load_config(config), where, watcher)
        summary = Summary(made)
        for line in (*summary.named(), *summary.counted()):
            echo(line)
        if not summary.accepted:
            fail("init", f"none of {summary.inputs} inputs can be annotated; {made.manifest_path} holds the reasons")
    echo(f"Next: qreal annotate run {run} --dry-run")


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

    It stops when nothing comes of a stage, and ends with what went through, what did not, and why. Exit status 1 when
    nothing did.

    \b
    qreal annotate run RUN --dry-run               # what it will cost
    qreal annotate run RUN --images 50             # a pilot; then look: qreal annotate preview RUN
    qreal annotate run RUN --max-cost 130          # everything, but not for more than this
    qreal annotate run RUN --batch                 # half the price, within days
    """
    with explained("run"):
        from annotation.execution.driver import Options, Where, discard_failed, run_stages, shards_for
        from annotation.llm.batches import Limits
        from annotation.run.folder import RunFolder
        from annotation.stages.chain import STAGES

        unknown = set(stage or ()) - set(STAGES)
        if unknown:
            fail("run", f"no stage is called {', '.join(sorted(unknown))}, expected {', '.join(STAGES)}")
        folder = RunFolder(run)
        note = folder.config.quality.licence_note
        if note and (not stage or "quality" in stage) and folder.pending("quality", folder.shard_numbers):
            echo(note)
        if dry_run:
            from annotation.status.estimate import forecast
            from annotation.status.tables import print_forecasts

            print_forecasts(forecast(folder, shards_for(folder, images), batch))
            return
        if retry_failed:
            echo(f"{discard_failed(folder)} failed images and entities are done again")
        options = Options(
            where=Where(executor.value, workers, gpus_each, address),
            stages=tuple(one for one in STAGES if not stage or one in stage),
            images=images,
            max_cost_usd=max_cost,
            batch=Limits(poll_s=poll) if batch else None,
        )
        with _shown() as watcher:
            run_stages(folder, options, watcher)
        _print_summary(folder, shards_for(folder, images))
    echo(f"Done. qreal annotate status {run}; qreal annotate preview {run}")


def _print_summary(run: RunFolder, shards: Sequence[int]) -> None:
    """What went through and what did not; a run without a single record fails."""
    from annotation.status.summary import summary_of
    from annotation.status.tables import reason_lines

    found = summary_of(run, shards)
    echo(found.headline())
    for stage, reasons in found.lost.items():
        for line in reason_lines(stage, reasons):
            echo(f"  {line}")
    if found.failed:
        echo(f"To ask again what failed: qreal annotate run {run.path} --retry-failed")
    if found.through == 0:
        fail("run", f"no image went through; see the reasons above, or qreal annotate status {run.path}")


@annotate_app.command("status")
def status_command(run: Annotated[Path, _RUN]) -> None:
    """Per stage what is done, pending and failed and why, cost so far, and what is left."""
    with explained("status"):
        from annotation.run.folder import RunFolder
        from annotation.status.status import status_of
        from annotation.status.tables import print_status

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
        from annotation.run.folder import RunFolder

        path = out or run / "preview.html"
        shown = write_preview(RunFolder(run), path, images)
    echo(f"{shown} images: {path}")


annotate_app.command("publish")(publish_command)
annotate_app.command("push")(push_command)


@contextmanager
def _shown() -> Iterator[Watcher]:
    """A bar for each stage, with the cost beside it."""
    from annotation.execution.driver import Watcher
    from annotation.run.items import unit_of
    from qreal_tasks.console.progress_bar import ProgressBar, show_progress

    bars: dict[str, ProgressBar] = {}
    with show_progress() as shown:

        def last() -> ProgressBar:
            return list(bars.values())[-1]

        def stage(name: str, done: int, total: int) -> None:
            bars[name] = ProgressBar(shown, f"{name:<10}", unit_of(name), total, done)

        def cost(budget: Budget) -> None:
            if bars and budget.spent_usd:
                last().beside(f"${budget.spent_usd:.2f}")

        def batch(now: Standing) -> None:
            last().foresee(now.answered)
            beside = f"{now.open_batches} batches under way, {now.answered} of {now.requests} answered"
            last().beside(f"{beside}; Ctrl-C stops, the same command goes on")

        yield Watcher(stage=stage, items=lambda name, count, anew: bars[name].add(count, anew), batch=batch, cost=cost)
