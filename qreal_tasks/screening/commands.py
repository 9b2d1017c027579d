"""``qreal screen``: judge new images with a model. Heavy imports stay inside the commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qreal_tasks.console.command_line import RunByDefault, end_on_interrupt, fail, new_group
from qreal_tasks.console.terminal import echo
from qreal_tasks.screening.calibration.command import calibrate_command
from qreal_tasks.screening.comparison.command import compare_command

if TYPE_CHECKING:  # `qreal --help` answers at once
    from qreal_tasks.screening.run.screening import ScreeningWatcher
    from qreal_tasks.screening.run.summary import ScreeningSummary

TOO_MANY_FLAWED = 3
"""Exit status of a run with more flawed images than ``--max-flawed``."""

screen_app = new_group(
    "Judge new images: which are flawed, where and why.\n\n"
    "\b\nqreal screen samples/ --model mini --out screened\nqreal screen compare screened-1 screened-2\n\n"
    "qreal screen IMAGES is qreal screen run IMAGES.",
    RunByDefault,
)


class _Executor(StrEnum):
    LOCAL = "local"
    RAY = "ray"


class _Weighting(StrEnum):
    AREA = "area"
    SIDE = "side"
    EQUAL = "equal"


class _Prompts(StrEnum):
    BENCHMARK = "benchmark"
    PAPER = "paper"


_SETTINGS = {
    "model": "model",
    "adapter": "adapter",
    "server": "server",
    "box_space": "box_space",
    "crop_model": "crop_model.model",
    "crop_server": "crop_model.server",
    "detector": "detector.model",
    "sets": "sets",
    "detect": "detect",
    "prompts": "prompts",
    "weighting": "weighting",
    "calibration": "calibration",
    "split": "intake.split",
    "batch": "images_at_once",
}
"""Options that are settings, and the field of each."""


@screen_app.command("run")
def run_command(
    images: Annotated[
        str,
        typer.Argument(
            help="Folder of images, table (.csv, .tsv, .jsonl, .json, .parquet) with image, prompt, generator, or hub "
            "dataset.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results; the same one goes on.", show_default=False)],
    model: Annotated[
        str | None,
        typer.Option(
            help="Folder, hub id, adapter, `mini`, or a server's name of it. Default: that of --config.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file like those in configs/screening/; options win. Default: none.", show_default=False
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="OpenAI-compatible server, with /v1. Default: the model is on this machine.", show_default=False
        ),
    ] = None,
    adapter: Annotated[str | None, typer.Option(help="Adapter on --model. Default: none.", show_default=False)] = None,
    box_space: Annotated[
        str | None, typer.Option(help="In which the model writes boxes. Default: its family's.", show_default=False)
    ] = None,
    crop_model: Annotated[
        str | None,
        typer.Option(
            help="Another model for the six questions about each entity. Default: the same.", show_default=False
        ),
    ] = None,
    crop_server: Annotated[
        str | None, typer.Option(help="Server of --crop-model. Default: none.", show_default=False)
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="Grounding DINO or a relative, folder or hub id: finds boxes of what the model names. Default: the "
            "model's own boxes.",
            show_default=False,
        ),
    ] = None,
    sets: Annotated[
        str | None,
        typer.Option(help="ImageQA prompts, with commas. Default: realism,plausibility.", show_default=False),
    ] = None,
    detect: Annotated[
        bool | None, typer.Option("--detect/--no-detect", help="Ask for sound entities too. Default: yes.")
    ] = None,
    prompts: Annotated[
        _Prompts | None, typer.Option(help="Whose prompts. Default: benchmark.", show_default=False)
    ] = None,
    weighting: Annotated[
        _Weighting | None,
        typer.Option(
            help="Of entities by size: share of the area, its root, or none. Default: area.", show_default=False
        ),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="File of `qreal screen calibrate`. Default: none.", show_default=False)
    ] = None,
    max_flawed: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Exit status 3 when a larger share is flawed. Default: no limit.", show_default=False
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Of a hub dataset or one of this benchmark: test, or train+test. Default: all.", show_default=False
        ),
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images at once. Default: 32.", show_default=False)] = None,
    executor: Annotated[_Executor, typer.Option(help="What computes the shards.")] = _Executor.LOCAL,
    workers: Annotated[int, typer.Option(min=1, help="Processes, or Ray tasks, at a time.")] = 1,
    gpus_each: Annotated[float, typer.Option(min=0, help="With ray: GPUs of each task.")] = 0,
    address: Annotated[
        str | None,
        typer.Option(
            help='With ray: address of a cluster, or "auto". Default: start Ray on this machine.', show_default=False
        ),
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Judge again what another model judged.")] = False,
    retry_unread: Annotated[bool, typer.Option("--retry-unread", help="Judge again what could not be told.")] = False,
) -> None:
    """Judge every image: its entities with boxes, answers, reasons and importance, and how likely it is flawed.

    Writes pages, tables and the answers into --out. Stopped or killed at any time and started again, it goes on; images
    that came since are judged, the others stay. Files that are no pictures are in the results with their reason. Exit
    status 1 when it cannot go on or nothing could be told, 3 for --max-flawed.

    \b
    qreal screen samples/ --model mini --out screened            # the small model that ships: to try it
    qreal screen samples/ --config configs/screening/qwen2.5-vl.yaml --out screened
    qreal screen images.csv --model NAME --server http://localhost:8000/v1 --out screened --max-flawed .05
    qreal screen samples/ --model Qwen/Qwen2.5-VL-7B-Instruct --executor ray --workers 8 --gpus-each 1 --out screened
    """
    given: dict[str, Any] = {name: value for name, value in locals().items() if name in _SETTINGS}
    given["sets"] = None if sets is None else [one.strip() for one in sets.split(",") if one.strip()]
    given |= {name: value and str(value) for name, value in given.items() if isinstance(value, StrEnum)}
    if calibration is not None:
        given["calibration"] = calibration.expanduser().absolute()
    with _report_errors():
        from qreal_tasks.screening.run.screening import ScreeningOptions, screen
        from qreal_tasks.screening.run.settings import load_screening_settings
        from qreal_tasks.shards.executors import ExecutorOptions

        settings = load_screening_settings(config, {_SETTINGS[name]: value for name, value in given.items()})
        where = ExecutorOptions(executor.value, workers, gpus_each, address)
        with _show_progress() as watcher:
            summary = screen(images, out, settings, ScreeningOptions(where, anew, retry_unread), watcher)
    _end(summary, out, max_flawed)


screen_app.command("calibrate")(calibrate_command)
screen_app.command("compare")(compare_command)


def _end(summary: ScreeningSummary, out: Path, max_flawed: float | None) -> None:
    """Print what came of the run, and end with its status."""
    for line in summary.list_lines():
        echo(line)
    echo(f"Done: {out / 'index.html'}; the same as images.parquet, images.jsonl, images.csv, summary.json")
    if not summary.told:
        fail("screen", f"of none of {summary.whole.images} images it could be told; {out / 'images.csv'} says why")
    if max_flawed is not None and (sentence := summary.exceeds(max_flawed)):
        echo(f"qreal screen: {sentence}", colour=typer.colors.RED, err=True)
        raise typer.Exit(TOO_MANY_FLAWED)
    if max_flawed is not None and summary.untold:
        of_all = f"{summary.untold:,} of {summary.whole.images:,} images"
        echo(f"note: --max-flawed says nothing about {of_all}, which could not be told", err=True)


@contextmanager
def _report_errors() -> Iterator[None]:
    """End with one clear message on standard error and a non-zero status for everything that a user can mend."""
    from qreal_tasks.llm.errors.retry import StoppedRun

    try:
        with end_on_interrupt("screen"):
            yield
    except (ValueError, OSError, StoppedRun) as error:
        fail("screen", error)
    except ImportError as error:
        fail("screen", f"{error}. Models on this machine need torch and transformers: install qreal-bench[screen]")


@contextmanager
def _show_progress() -> Iterator[ScreeningWatcher]:
    """Show a bar for each step, with the pace and what failed beside it."""
    from qreal_tasks.console.progress_bar import ProgressBar, show_progress
    from qreal_tasks.screening.run.screening import CHECKING, ScreeningWatcher

    bars: dict[str, ProgressBar] = {}
    failed: dict[str, int] = {}
    spent = ""

    with show_progress() as shown:

        def begin(step: str, done: int, total: int) -> None:
            if total > done or step not in bars:
                bars[step], failed[step] = ProgressBar(shown, f"{step:<8}", "images", total, done), 0

        def advance(step: str, images: int, more: int) -> None:
            bars[step].add(images)
            failed[step] += more
            beside = f"{bars[step].rate:.1f} images/s"
            if failed[step]:
                beside += f", {failed[step]} {'refused' if step == CHECKING else 'not told'}"
            bars[step].beside(beside + spent)

        def cost(dollars: float) -> None:
            nonlocal spent
            spent = f", ${dollars:.2f}"

        yield ScreeningWatcher(begin, advance, cost)
