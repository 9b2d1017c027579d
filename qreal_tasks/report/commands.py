"""``qreal score`` and ``qreal compare``: numbers from logged samples alone, as tables, JSON and pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qreal_tasks.console.command_line import PROMPTS, as_folder, fail, fail_on
from qreal_tasks.console.terminal import echo

if TYPE_CHECKING:  # `qreal --help` answers at once
    from qreal_tasks.benchmark import Style
    from qreal_tasks.predictions.scoring import PredictedRun
    from qreal_tasks.results.run_folder import Run
    from qreal_tasks.results.score import RunScores

_RUN = typer.Argument(help="Output folder of a run, or its *_results.json. Not with --predictions.", show_default=False)
_PREDICTIONS = typer.Option(
    help="Score this file of answers instead of a run: JSON lines, CSV, TSV, Parquet, XLSX, and what other harnesses "
    "write. Several together are one run. Default: score RUN.",
    show_default=False,
)
_MODEL = typer.Option(
    help="With --predictions: what to call the model. Default: none, it must be given.", show_default=False
)
_OUT = typer.Option(help="With --predictions: folder of the run. Default: runs/<model>-<time>.", show_default=False)
_SPACE = typer.Option(
    help="With --predictions: in which space boxes are written: pixels, resized_pixels, norm1000, norm1000_yx, unit. "
    "Default: what the file says, else norm1000, and then it is said.",
    show_default=False,
)
_ONLY_ANSWERED = typer.Option("--only-answered", help="With --predictions: leave out samples without one.")
_RUNS = typer.Argument(help="Output folders of runs, or their *_results.json.", show_default=False)
_BASELINE = typer.Option(min=1, help="Which of them, by position, the others are compared with.")
_DATA = typer.Option(
    help="Dataset: with --predictions that which was asked about (default: $QREAL_DATA), else where the report finds "
    "the pictures (default: where the run had its data)."
)
_GALLERY = typer.Option(min=0, help="Images, and crops, in the report; with 0 the dataset is not read.")


def score_command(
    run: Annotated[Path | None, _RUN] = None,
    predictions: Annotated[list[Path] | None, _PREDICTIONS] = None,
    model: Annotated[str | None, _MODEL] = None,
    box_space: Annotated[str | None, _SPACE] = None,
    only_answered: Annotated[bool, _ONLY_ANSWERED] = False,
    out: Annotated[Path | None, _OUT] = None,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples; 0 for no intervals.")] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a report with figures and pictures to this file. Default: none.")
    ] = None,
    gallery: Annotated[int, _GALLERY] = 24,
    data: Annotated[str | None, _DATA] = None,
    prompts: Annotated[Any, PROMPTS] = None,
) -> None:
    """Recompute every number of a run from its logged samples, with 95 % intervals.

    A difference from the numbers of the live run is an error.

    \b
    qreal score runs/qreal_hf-20260101-120000
    qreal score runs/qreal_hf-20260101-120000 --html report.html
    qreal score --predictions answers.jsonl --data org/name --model "My model"

    Prints tables, and writes the report to the file of --html. With --predictions the answers come from a file, and a
    run folder is written (--out) that is like any other: compare it, judge it, submit it. The exit status is 1 when a
    sample has no prediction.
    """
    alone = {"--model": model, "--out": out, "--box-space": box_space, "--only-answered": only_answered or None}
    if predictions:
        if run is not None:
            fail("score", f"{run} and --predictions: give a run, or predictions")
        if model is None:
            fail("score", "--predictions takes --model NAME: what to call the model")
        written = _write_run(predictions, data, model, box_space, only_answered, out, prompts)
        print_score(written.run.results_path, resamples, as_json, html, gallery, data, prompts)
        echo(f"Results and samples: {written.run.results_path.parent}", err=True)
        if written.missing:
            advice = "add them, or give --only-answered for the others alone, which is no benchmark result"
            fail(
                "score",
                f"incomplete: {written.missing:,} samples have no prediction and count as unanswered; {advice}",
            )
        return
    if given := [option for option, value in alone.items() if value is not None]:
        fail("score", f"{given[0]} goes with --predictions FILE")
    if run is None:
        fail("score", "give the output folder of a run, or --predictions FILE")
    print_score(run, resamples, as_json, html, gallery, data, prompts)


def _write_run(
    paths: list[Path],
    data: str | None,
    model: str,
    box_space: str | None,
    only_answered: bool,
    out: Path | None,
    style: Style | None,
) -> PredictedRun:
    """Write the run folder of predictions, and print what must be said of them."""
    from qreal_tasks.benchmark import Style
    from qreal_tasks.boxes import parse_space
    from qreal_tasks.dataset.source import DatasetError
    from qreal_tasks.predictions.scoring import score_predictions

    with fail_on("score", DatasetError, ValueError, OSError):
        found = score_predictions(
            paths,
            as_folder(data),
            model,
            out=out,
            style=style or Style.BENCHMARK,
            space=parse_space(box_space) if box_space else None,
            only_answered=only_answered,
        )
    for note in found.notes:
        echo(f"note: {note}", err=True)
    return found


def print_score(
    path: Path,
    resamples: int,
    as_json: bool,
    html: Path | None = None,
    gallery: int = 0,
    data: str | None = None,
    style: Style | None = None,
) -> None:
    """Print the newest run at or below ``path``, and write its report when ``html`` is given.

    Args:
        style: as ``read_run``.

    Raises:
        typer.Exit: with status 1, after a message, when the run cannot be read or its numbers are not the live run's.
    """
    from qreal_tasks.report.tables import print_scores
    from qreal_tasks.results.run_folder import RunFolderError, newest_results, read_run
    from qreal_tasks.results.score import find_differences, score_run, to_json

    try:
        run = read_run(newest_results(path), style)
        scores = score_run(run, resamples=resamples)
    except (RunFolderError, ValueError) as error:  # ValueError: records that contradict each other
        fail("score", error)
    if as_json:
        echo(json.dumps(to_json(scores), indent=2, allow_nan=False))
    else:
        print_scores(scores)
    wrong = find_differences(run, scores)
    if html:
        _write_report(scores, wrong, html, gallery, data, resamples)
    if wrong:
        lines = "\n".join(f"  {line}" for line in wrong)
        fail(
            "score",
            f"{len(wrong)} numbers differ from the live run's; the samples or the results were changed:\n{lines}",
        )


def _write_report(
    scores: RunScores, wrong: list[str], html: Path, gallery: int, data: str | None, resamples: int
) -> None:
    from qreal_tasks.report.page import write_report

    try:
        written = write_report(scores, html, wrong=wrong, gallery=gallery, data=as_folder(data), resamples=resamples)
    except OSError as error:
        fail("score", error)
    echo(f"Report: {html} ({written.pictures} pictures, {written.bytes / 1e6:.1f} MB)", err=True)
    if written.problem:
        echo(f"qreal score: pictures are missing: {written.problem}", err=True)


def compare_command(
    runs: Annotated[list[Path], _RUNS],
    baseline: Annotated[int, _BASELINE] = 1,
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap resamples.")] = 10_000,
    any_judge: Annotated[bool, typer.Option(help="Compare LLM-Scores of different judges.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: all pairs of runs, all metrics.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the comparison as a page to this file. Default: none.")
    ] = None,
    prompts: Annotated[Any, PROMPTS] = None,
) -> None:
    """Compare runs, paired by sample and image: every run minus the baseline.

    \b
    qreal compare runs/a runs/b
    qreal compare runs/a runs/b runs/c --baseline 2 --html compare.html

    Begins with a sentence on each run, which is called by its model's name. Prints tables, or JSON, and writes the page
    to the file of --html; the runs stay as they are. With 95 % intervals, p-values corrected for the number of tests,
    the samples that flipped, and how many images it would take to show a difference. Runs whose samples, references,
    versions, prompts or judges differ are refused. Of a run with tasks of both prompt styles those are read that the
    first run has.
    """
    from qreal_tasks.report.compare_tables import comparison_json, print_comparison
    from qreal_tasks.results.compare import compare_runs
    from qreal_tasks.results.run_folder import RunFolderError

    if baseline > len(runs):
        fail("compare", f"--baseline is {baseline}, expected a position among the {len(runs)} runs")
    try:
        found = _read_alike(runs, prompts)
        comparison = compare_runs(found, baseline=baseline - 1, resamples=resamples, any_judge=any_judge)
    except (RunFolderError, ValueError) as error:
        fail("compare", error)
    if as_json:
        echo(json.dumps(comparison_json(comparison), indent=2, allow_nan=False))
    else:
        print_comparison(comparison)
    if html:
        from qreal_tasks.report.compare_page import write_comparison

        try:
            size = write_comparison(comparison, html)
        except OSError as error:
            fail("compare", error)
        echo(f"Comparison: {html} ({size / 1e6:.1f} MB)", err=True)


def _read_alike(paths: list[Path], style: Style | None) -> list[Run]:
    """The runs; where one has tasks of both styles, those of the first run's style."""
    from qreal_tasks.results.run_folder import BothStylesError, newest_results, read_run

    found: list[Run] = []
    for path in paths:
        results = newest_results(path)
        try:
            found.append(read_run(results, style))
        except BothStylesError:
            if not found:
                raise
            found.append(read_run(results, found[0].style))
    return found
