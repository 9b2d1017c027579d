"""``qreal annotate``: make drafts of the dataset from images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotation.command_errors import report_errors
from annotation.errors import annotate_command
from annotation.label_studio.commands import verify_app
from annotation.publish.commands import publish_command, push_dataset_command
from qreal_tasks.console.command_line import fail, new_group
from qreal_tasks.console.terminal import echo

if TYPE_CHECKING:  # `qreal --help` answers at once
    from annotation.execution.driver import Watcher
    from annotation.llm.budget import Budget
    from annotation.run.folder import RunFolder
    from qreal_tasks.llm.batch.harvester import BatchProgress

annotate_app = new_group(
    "Annotate images: entities, boxes, quality, answers and descriptions, as drafts that people verify.\n\n"
    "\b\nqreal annotate demo                                # all of it on drawn scenes\n"
    "qreal annotate init IMAGES RUN --config FILE\nqreal annotate run RUN\nqreal annotate verify start RUN\n"
    "qreal annotate verify merge RUN\nqreal annotate publish RUN DIR"
)

annotate_app.add_typer(verify_app, name="verify")

_RUN = typer.Argument(help="Folder of the run.", show_default=False)


class _Executor(StrEnum):
    LOCAL = "local"
    RAY = "ray"


_EXECUTOR = typer.Option(help="What computes the stages without a language model.")
_WORKERS = typer.Option(min=1, help="Processes, or Ray tasks, at a time. A GPU on this machine: 1.")
_GPUS = typer.Option(min=0, help="With ray: GPUs of each task.")
_ADDRESS = typer.Option(
    help='With ray: address of a cluster, or "auto". Default: start Ray on this machine.', show_default=False
)


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

    \b
    qreal annotate init IMAGES RUN --config configs/annotation/gpt-4o.yaml

    Writes the folder RUN, with every picture as it came. Files that cannot be annotated are in the manifest with their
    reason. An interrupted init goes on where it stopped.

    \b
    IMAGES/sdxl/1.png   a picture of the generator sdxl
    IMAGES/sdxl/1.txt   its prompt; also 1.caption, 1.png.txt, or a row of a metadata.csv or metadata.jsonl (file_name,
                        prompt) in one of the folders
    """
    with report_errors("annotate init"):
        from annotation.config import load_annotation_config
        from annotation.execution.driver import init_run
        from annotation.intake.summary import IntakeSummary
        from qreal_tasks.shards.executors import ExecutorOptions

        where = ExecutorOptions(executor.value, workers, 0, address)
        with _show_progress() as watcher:
            made = init_run(images, run, load_annotation_config(config), where, watcher)
        summary = IntakeSummary(made)
        for line in (*summary.list_rejected(), *summary.list_counts()):
            echo(line)
        if not summary.accepted:
            fail(
                "annotate init",
                f"none of {summary.inputs} inputs can be annotated; {made.manifest_path} holds the reasons",
            )
    echo(f"Next: {annotate_command('run', run, '--dry-run')}")


@annotate_app.command("run")
def run_stages_command(
    run: Annotated[Path, _RUN],
    stage: Annotated[
        list[str] | None, typer.Option(help="Only this stage; may be given more than once. Default: all.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="A pilot: the first shards with so many images. Default: all.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print calls, tokens and cost; ask nothing.")] = False,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Dollars of the whole run; stop before more. Default: no limit.")
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Over the Batch API: half the price, within a day.")] = False,
    poll: Annotated[float, typer.Option(min=1, help="With --batch: seconds between two looks at the batches.")] = 60,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do failed items again first.")] = False,
    executor: Annotated[_Executor, _EXECUTOR] = _Executor.LOCAL,
    workers: Annotated[int, _WORKERS] = 1,
    gpus_each: Annotated[float, _GPUS] = 0,
    address: Annotated[str | None, _ADDRESS] = None,
) -> None:
    """Draft what is missing in a run: entities, boxes, quality, answers and descriptions.

    Writes into RUN alone. Stopped or killed at any time and started again, it goes on and pays for nothing twice. It
    stops when nothing comes of a stage, and ends with what went through, what did not, and why. Exit status 1 when
    nothing did.

    \b
    qreal annotate run RUN --dry-run               # what it will cost
    qreal annotate run RUN --images 50             # a pilot; then look: qreal annotate preview RUN
    qreal annotate run RUN --max-cost 130          # everything, but not for more than this
    qreal annotate run RUN --batch                 # half the price, within days
    """
    with report_errors("annotate run"):
        from annotation.execution.driver import RunOptions, discard_failed, run_stages, select_shards
        from annotation.run.chain import STAGES
        from annotation.run.folder import RunFolder
        from qreal_tasks.llm.batch.limits import BatchLimits
        from qreal_tasks.shards.executors import ExecutorOptions

        unknown = set(stage or ()) - set(STAGES)
        if unknown:
            fail("annotate run", f"no stage is called {', '.join(sorted(unknown))}, expected {', '.join(STAGES)}")
        folder = RunFolder(run)
        note = folder.config.quality.licence_note
        if note and (not stage or "quality" in stage) and folder.pending("quality", folder.shard_numbers):
            echo(note)
        if dry_run:
            from annotation.status.estimate import forecast
            from annotation.status.tables import print_forecasts

            print_forecasts(forecast(folder, select_shards(folder, images), batch))
            return
        if retry_failed:
            echo(f"{discard_failed(folder)} failed images and entities are done again")
        options = RunOptions(
            where=ExecutorOptions(executor.value, workers, gpus_each, address),
            stages=tuple(one for one in STAGES if not stage or one in stage),
            images=images,
            max_cost_usd=max_cost,
            batch=BatchLimits(poll_s=poll) if batch else None,
        )
        with _show_progress() as watcher:
            run_stages(folder, options, watcher)
        _print_summary(folder, select_shards(folder, images))
    echo(f"Done. {annotate_command('status', run)}; {annotate_command('preview', run)}")


def _print_summary(run: RunFolder, shards: Sequence[int]) -> None:
    """Print what went through and what did not; a run without a single record fails."""
    from annotation.status.status import summarize_run
    from annotation.status.tables import format_reasons

    found = summarize_run(run, shards)
    echo(found.headline())
    for stage, reasons in found.lost.items():
        for line in format_reasons(stage, reasons):
            echo(f"  {line}")
    if found.failed:
        echo(f"To ask again what failed: {annotate_command('run', run.path, '--retry-failed')}")
    if found.through == 0:
        command = annotate_command("status", run.path)
        fail("annotate run", f"no image went through; see the reasons above, or {command}")


@annotate_app.command("status")
def status_command(run: Annotated[Path, _RUN]) -> None:
    """Print for each stage what is done, pending and failed and why, cost so far, and what is left.

    \b
    qreal annotate status RUN

    Writes nothing.
    """
    with report_errors("annotate status"):
        from annotation.run.folder import RunFolder
        from annotation.status.status import read_status
        from annotation.status.tables import print_status

        print_status(read_status(RunFolder(run)))


@annotate_app.command("preview")
def preview_command(
    run: Annotated[Path, _RUN],
    images: Annotated[int, typer.Option(min=1, help="How many images to show, from the first on.")] = 50,
    out: Annotated[
        Path | None, typer.Option(help="File of the page. Default: RUN/preview.html.", show_default=False)
    ] = None,
) -> None:
    """Write one HTML page with boxes, scores, answers and descriptions, as far as the run has come.

    \b
    qreal annotate preview RUN
    qreal annotate preview RUN --images 200 --out look.html
    """
    with report_errors("annotate preview"):
        from annotation.preview.page import write_preview
        from annotation.run.folder import RunFolder
        from qreal_tasks.pages.numbers import count

        path = out or run / "preview.html"
        shown = write_preview(RunFolder(run), path, images)
    echo(f"{count(shown, 'image')}: {path}")


@annotate_app.command("demo")
def annotate_demo_command(
    folder: Annotated[Path, typer.Option(help="Where everything goes; empty or new.")] = Path("runs/annotate-demo"),
) -> None:
    """Try the whole annotation in about two minutes, without a key, weights or a download.

    \b
    qreal annotate demo

    Writes everything into --folder. Twelve drawn scenes go through every command, from images to a published and scored
    dataset. The language model is scripted, the people are simulated, the detector is tiny.
    """
    if missing := [name for name in ("aiohttp", "lmms_eval", "torch", "transformers") if find_spec(name) is None]:
        fail("annotate demo", f"{', '.join(missing)} not installed; install qreal-bench[eval,annotate,annotate-local]")
    with report_errors("annotate demo"):
        from annotation.demo.walkthrough import demonstrate, format_summary

        found = demonstrate(folder, annotate_app)
    echo(format_summary(found, folder))


annotate_app.command("publish")(publish_command)
annotate_app.command("push")(push_dataset_command)


@contextmanager
def _show_progress() -> Iterator[Watcher]:
    """Show a progress bar for each stage, with the cost beside it."""
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

        def batch(now: BatchProgress) -> None:
            last().foresee(now.answered)
            beside = f"{now.open_batches} batches under way, {now.answered} of {now.requests} answered"
            last().beside(f"{beside}; Ctrl-C stops, the same command goes on")

        yield Watcher(stage=stage, items=lambda name, count, anew: bars[name].add(count, anew), batch=batch, cost=cost)
