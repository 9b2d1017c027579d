"""``qreal submit`` and ``qreal leaderboard``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qreal_tasks.console.command_line import PROMPTS, as_folder, fail, fail_on, new_group
from qreal_tasks.console.terminal import echo

if TYPE_CHECKING:  # `qreal --help` needs none of them
    from qreal_tasks.leaderboard.submission.references import References

submit_app = new_group(
    "Submit a run to a leaderboard, or check a submission.\n\n"
    '\b\nqreal submit pack runs/a --name "My model"\nqreal submit check submissions/my-model --data org/name'
)
leaderboard_app = new_group(
    "Build a leaderboard from submissions.\n\n\b\nqreal leaderboard build submissions site --data org/name"
)

_RUN = typer.Argument(help="Output folder of a run, or its *_results.json.", show_default=False)
_DATA = typer.Option(
    "--data",
    help="Hub id (org/name, org/name@revision), folder in hub layout or of save_to_disk. Default: $QREAL_DATA.",
    show_default=False,
)
_PRACTICE = typer.Option(
    "--practice", help="Take runs on pictures of `qreal mini`, to try how submitting goes; no real board takes them."
)
_DATA_OF_RUN = typer.Option("--data", help="Dataset to check against. Default: the run's own.", show_default=False)


def _references(data: str | None, practice: bool = False) -> References:
    import os

    from qreal_tasks.dataset.source import ENVIRONMENT, DatasetError
    from qreal_tasks.leaderboard.submission.references import load_references

    if not data and not os.environ.get(ENVIRONMENT):
        drawn = "mini or the folder of `qreal mini`" if practice else "org/name, org/name@revision or a folder"
        raise DatasetError(f"which dataset? Pass --data {drawn}, or set {ENVIRONMENT}")
    return load_references(as_folder(data), practice=practice)


@submit_app.command("pack")
def pack_command(
    run: Annotated[Path, _RUN],
    name: Annotated[str, typer.Option(help="What the board calls the model.", show_default=False)],
    out: Annotated[
        Path | None, typer.Argument(help="New folder. Default: submissions/<id>.", show_default=False)
    ] = None,
    description: Annotated[
        str, typer.Option(help="A few sentences for the model's page. Default: none.", show_default=False)
    ] = "",
    contact: Annotated[str | None, typer.Option(help="Address or page for questions. Default: none.")] = None,
    hardware: Annotated[str | None, typer.Option(help="What it ran on, such as 1x H100. Default: none.")] = None,
    usd: Annotated[float | None, typer.Option(min=0, help="What it cost, in US dollars. Default: not said.")] = None,
    data: Annotated[str | None, _DATA_OF_RUN] = None,
    prompts: Annotated[Any, PROMPTS] = None,
    practice: Annotated[bool, _PRACTICE] = False,
) -> None:
    """Write a run as a submission: manifest, samples and scores in one folder.

    \b
    qreal submit pack runs/a --name "My model" --hardware "1x H100"

    Writes the folder OUT, whole or not at all; the run stays as it is. Of the backend's arguments only known ones are
    in it, of paths the last name; no keys, and no address of a server that not everybody knows.

    A run that was asked with other words around the questions than those of its tasks is refused.

    A submission is complete in ObjectQA, in ImageQA or in both. Refused: runs on pictures of `qreal mini` (but with
    --practice), with --limit, or whose numbers are not those of their samples. Ends with the check that a leaderboard
    makes, when the dataset can be loaded.
    """
    from qreal_tasks.dataset.source import DatasetError
    from qreal_tasks.leaderboard.submission.pack import PackError, SubmitterInfo, pack_run
    from qreal_tasks.results.run_folder import RunFolderError, newest_results, read_run

    try:
        results = newest_results(run)
        try:
            references, unreachable = _references(data or read_run(results, prompts).data, practice), ""
        except DatasetError as error:
            references, unreachable = None, str(error)
        info = SubmitterInfo(name, description, contact, hardware, usd)
        commit = references.commit if references else None
        target, manifest = pack_run(results, out, info, style=prompts, commit=commit, practice=practice)
    except (PackError, RunFolderError, ValueError, OSError) as error:
        fail("submit pack", error)
    halves = " and ".join(half.value for half in manifest.halves)
    echo(f"{target}: {manifest.name}, complete in {halves}, prompts {manifest.prompts}, id {manifest.id}")
    if references is None:
        echo(f"Not checked against the dataset: {unreachable}\nCheck it with `qreal submit check`.", err=True)
    else:
        _check("submit pack", target, references)


@submit_app.command("check")
def check_command(
    folder: Annotated[Path, typer.Argument(help="What `qreal submit pack` wrote.", show_default=False)],
    data: Annotated[str | None, _DATA] = None,
    practice: Annotated[bool, _PRACTICE] = False,
) -> None:
    """Recompute every number of a submission and hold every sample against the dataset.

    \b
    qreal submit check submissions/my-model --data org/name

    Writes nothing. Exit status 1 when it is refused, with every reason.
    """
    from qreal_tasks.dataset.source import DatasetError

    if not folder.exists():
        fail("submit check", f"{folder} does not exist; expected the folder that `qreal submit pack` wrote and named")
    with fail_on("submit check", DatasetError):
        references = _references(data, practice)
    _check("submit check", folder, references)


@submit_app.command("export")
def export_command(
    path: Annotated[Path, typer.Argument(help="A run, or a submission.", show_default=False)],
    hub_results: Annotated[
        Path | None,
        typer.Option(help="Folder of a model repository, for .eval_results/qreal_bench.yaml. Default: none."),
    ] = None,
    every_eval_ever: Annotated[
        Path | None, typer.Option(help="Folder for Every Eval Ever's JSON and samples. Default: none.")
    ] = None,
    model_card: Annotated[Path | None, typer.Option(help="File for a section of a model card. Default: none.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Hub id, where the run was on a folder. Default: the run's own.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Where samples or a report can be seen; for the hub. Default: none.")
    ] = None,
    prompts: Annotated[Any, PROMPTS] = None,
) -> None:
    """Write the numbers of a run for others: the hub's evaluation file, Every Eval Ever, a model card.

    \b
    qreal submit export runs/a --hub-results my-model-repo --model-card card.md

    Writes what the options name, at least one of --hub-results, --every-eval-ever and --model-card.
    """
    from qreal_tasks.files.atomic import write_whole
    from qreal_tasks.leaderboard.exports.every_eval_ever import write_every_eval_ever
    from qreal_tasks.leaderboard.exports.export_source import ExportError, load_source
    from qreal_tasks.leaderboard.exports.hub import write_hub_results
    from qreal_tasks.leaderboard.exports.model_card import render_model_card_section
    from qreal_tasks.results.run_folder import RunFolderError

    if not (hub_results or every_eval_ever or model_card):
        fail("submit export", "nothing to write: pass --hub-results DIR, --every-eval-ever DIR or --model-card FILE")
    try:
        source = load_source(path, style=prompts)
        if hub_results:
            echo(write_hub_results(source, hub_results, dataset, url))
        if every_eval_ever:
            echo(write_every_eval_ever(source, every_eval_ever, dataset))
        if model_card:
            write_whole(model_card, render_model_card_section(source.run, source.groups))
            echo(model_card)
    except (ExportError, RunFolderError, ValueError, OSError) as error:
        fail("submit export", error)


def _check(command: str, folder: Path, references: References) -> None:
    from qreal_tasks.leaderboard.lints import find_notes
    from qreal_tasks.leaderboard.submission.check import check_submission

    checked = check_submission(folder, references)
    if checked.problems:
        lines = "\n".join(f"  {problem}" for problem in checked.problems)
        fail(command, f"{folder}: refused:\n{lines}")
    assert checked.scores is not None
    for line in find_notes(checked.scores):
        echo(f"note: {line}")
    echo(f"{folder}: accepted; every number recomputed on {references.name}")


@leaderboard_app.command("build")
def build_command(
    submissions: Annotated[Path, typer.Argument(help="Folder with a submission in each sub-folder.")],
    out: Annotated[Path, typer.Argument(help="Where the site goes: a new or empty folder, or an earlier site.")],
    data: Annotated[str | None, _DATA] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where checked results are kept. Default: the user's cache.")
    ] = None,
    title: Annotated[str, typer.Option(help="Heading of the site.")] = "Q-Real Bench leaderboard",
    judge: Annotated[
        str | None,
        typer.Option(
            help="Whose joint scores are ranked: a packaged judge, or a manifest file. Default: a packaged judge that "
            "anybody asked, else that of most submissions.",
            show_default=False,
        ),
    ] = None,
    practice: Annotated[bool, _PRACTICE] = False,
) -> None:
    """Build a static site of all submissions that pass the check: opens from the disk, as a hub Space, on any server.

    \b
    qreal leaderboard build submissions site --data org/name

    Writes the pages into OUT. Beside the pages: board.json and board.csv. Refused submissions are listed with the
    reasons.
    """
    from qreal_tasks.dataset.source import DatasetError
    from qreal_tasks.judge.manifest import ManifestError, load_manifest
    from qreal_tasks.leaderboard.board.board import BoardError, build_board
    from qreal_tasks.leaderboard.board.cache import CheckCache
    from qreal_tasks.leaderboard.board.site import SiteError, require_own_folder, write_site
    from qreal_tasks.pages.numbers import count

    try:
        require_own_folder(out, submissions)
        ranked_judge = load_manifest(judge) if judge is not None else None
        references = _references(data, practice)
        board = build_board(submissions, references, CheckCache(cache), ranked_judge)
        write_site(board, out, title)
    except (DatasetError, ManifestError, BoardError, SiteError, OSError) as error:
        fail("leaderboard build", error)
    for refused in board.refused:
        echo(f"refused: {' '.join(refused.folder.splitlines())}", err=True)
        for problem in refused.problems:
            echo(f"  {problem}", err=True)
    echo(
        f"{out / 'index.html'}: {count(len(board.entries), 'submission')}, {len(board.refused)} refused "
        f"({board.recomputed} checked anew, {board.from_cache} from the cache)"
    )
