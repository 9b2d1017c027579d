"""``qreal annotate verify``: three people answer anew what the machine drafted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotation.command_errors import report_errors, warn
from annotation.errors import annotate_command
from annotation.merging.commands import merge_command, report_command
from qreal_tasks.console.command_line import fail, new_group
from qreal_tasks.console.terminal import echo

if TYPE_CHECKING:
    from annotation.label_studio.start import TeamServers
    from annotation.label_studio.workplace import Workplace
    from annotation.merging.votes import VoteRecord
    from annotation.run.folder import RunFolder

verify_app = new_group(
    "People verify the drafts, on Label Studio; their votes are merged into the dataset.\n\n"
    "\b\nqreal annotate verify start RUN\nqreal annotate verify merge RUN\nqreal annotate verify report RUN"
)
verify_app.command("merge")(merge_command)
verify_app.command("report")(report_command)

_RUN = typer.Argument(help="Folder of the run.", show_default=False)


@verify_app.command("start")
def start_command(
    run: Annotated[Path, _RUN],
    annotators: Annotated[str, typer.Option(help="Their names, with commas between.")] = "anna,ben,cara",
    adjudicator: Annotated[
        str | None,
        typer.Option(help="Somebody who settles ties and conflicts, once all have answered. Default: nobody."),
    ] = None,
    adaptive: Annotated[
        bool | None,
        typer.Option(help="Two people first, the third only where they differ. Default: as it was, at first not."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1024, max=65_000, help="Port of the first server, one more for each other. Default: 8080."),
    ] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in, without encryption.")] = "127.0.0.1",
    pull_every: Annotated[float, typer.Option(min=1, help="Seconds between two pulls.")] = 300,
    url: Annotated[
        list[str] | None,
        typer.Option(
            help="A team's server, for all or as NAME=URL; none is started. Default: servers of the run's own."
        ),
    ] = None,
    token: Annotated[
        list[str] | None,
        typer.Option(
            help="Token of an account there, for all or as NAME=TOKEN. Default: none.", envvar="QREAL_VERIFY_TOKEN"
        ),
    ] = None,
    media_url: Annotated[
        str | None, typer.Option(help="With --url: where RUN/verification/media/pictures is served. Default: none.")
    ] = None,
) -> None:
    """Start Label Studio, give every entity to three people, print their links, and pull until Ctrl-C.

    Each has a server of their own, so that nobody can see what another has answered. Started again, everything goes on.

    \b
    qreal annotate verify start RUN
    qreal annotate verify start RUN --annotators mia,noah,olga --adaptive
    qreal annotate verify start RUN --url https://labels.example.org --token TOKEN --media-url https://files.example.org/run

    Writes the servers, the pictures and every vote into RUN/verification/.
    """
    with report_errors("annotate verify start"):
        from annotation.label_studio.environment import find_or_install
        from annotation.label_studio.progress import print_accounts
        from annotation.label_studio.server import run_servers
        from annotation.label_studio.start import SetupRequest, set_up
        from annotation.label_studio.tasks import FOLDER, write_media
        from annotation.label_studio.workplace import lock_workplace, media_folder
        from annotation.merging.forms import load_forms
        from annotation.merging.votes import VoteRecord
        from annotation.run.folder import RunFolder

        folder = RunFolder(run)
        names = [name.strip() for name in annotators.split(",") if name.strip()]
        forms = load_forms(folder)
        team = _find_team(names, adjudicator, url, token, media_url)
        with lock_workplace(folder, "start it again"):
            workplace = set_up(folder, SetupRequest(names, adjudicator, port, team, adaptive))
            echo(f"{len(forms)} entities to verify; writing their pictures …")
            media = media_folder(folder)
            write_media(folder, media / FOLDER, folder.shard_numbers)
            with VoteRecord(folder.votes_path) as record:
                if not workplace.own:
                    print_accounts(_prepare(folder, workplace, record), host)
                    return
                program = find_or_install()
                echo("Starting Label Studio; the first start takes about half a minute …")
                with run_servers(program, workplace.accounts, folder.verification_path, media, host):
                    workplace = _prepare(folder, workplace, record)
                    print_accounts(workplace, host)
                    echo(f"Pulling every {pull_every:g} s. Ctrl-C stops the servers; the same command goes on.")
                    complete = _pull_until_stopped(folder, workplace, record, pull_every)
    if not complete:
        failed = "stopped, but the last pull failed: start it again before you merge, some votes are not here"
        fail("annotate verify start", failed)
    echo(f"Stopped; everything is pulled and kept. Next: {annotate_command('verify', 'merge', run)}")


@verify_app.command("push")
def push_tasks_command(run: Annotated[Path, _RUN]) -> None:
    """Give people the tasks that they do not have yet: new drafts, a third vote where two differ, conflicts.

    \b
    qreal annotate verify push RUN

    Writes tasks to the servers, and into RUN/verification/ who has which.
    """
    with report_errors("annotate verify push"), _open(run) as (folder, workplace, record):
        from annotation.label_studio.workplace import lock_workplace

        with lock_workplace(folder, "push"):
            _push(folder, workplace, record)


@verify_app.command("pull")
def pull_command(run: Annotated[Path, _RUN]) -> None:
    """Bring home every vote, while people work; as often as you like.

    \b
    qreal annotate verify pull RUN

    Writes RUN/verification/votes.sqlite. Every task is read.
    """
    with report_errors("annotate verify pull"), _open(run) as (folder, workplace, record):
        _pull(folder, workplace, record, everything=True)


@verify_app.command("status")
def verify_status_command(run: Annotated[Path, _RUN]) -> None:
    """Print how far each person has come, how fast, and how many hours are left, by what was pulled last.

    \b
    qreal annotate verify status RUN

    Writes nothing.
    """
    with report_errors("annotate verify status"), _open(run) as (folder, workplace, record):
        from annotation.label_studio.progress import measure_progress, print_progress
        from annotation.merging.forms import load_forms

        names = [account.name for account in workplace.accounts]
        print_progress(measure_progress(names, record.assigned_forms(), record.latest(), load_forms(folder)))


@contextmanager
def _open(run: Path) -> Iterator[tuple[RunFolder, Workplace, VoteRecord]]:
    """Open a run that people verify."""
    from annotation.label_studio.workplace import load_workplace
    from annotation.merging.votes import VoteRecord
    from annotation.run.folder import RunFolder

    folder = RunFolder(run)
    workplace = load_workplace(folder)
    with VoteRecord(folder.votes_path) as record:
        yield folder, workplace, record


def _find_team(
    names: list[str], adjudicator: str | None, url: list[str] | None, token: list[str] | None, media_url: str | None
) -> TeamServers | None:
    """The team's servers that the options name, or None for the run's own."""
    from annotation.label_studio.start import TeamServers

    if not url:
        if token or media_url:
            fail("annotate verify start", "--token and --media-url go with --url")
        return None
    if not token or not media_url:
        advice = "copy RUN/verification/media/pictures to where the server's users can read it, and give its address"
        fail("annotate verify start", f"--url needs --token, and --media-url: {advice}")
    everybody = [*names, *([adjudicator] if adjudicator else [])]
    return TeamServers(_by_name(everybody, url, "--url"), _by_name(everybody, token, "--token"), media_url)


def _by_name(names: list[str], values: list[str], option: str) -> dict[str, str]:
    """The value of an option for each name: one value for all, or NAME=VALUE for each."""
    pairs = dict(one.split("=", 1) for one in values if one.partition("=")[0] in names)
    if len(values) == 1 and not pairs:
        return dict.fromkeys(names, values[0])
    if pairs.keys() != set(names):
        fail("annotate verify start", f"{option}: expected one value, or NAME=VALUE for each of {', '.join(names)}")
    return pairs


def _prepare(folder: RunFolder, workplace: Workplace, record: VoteRecord) -> Workplace:
    """Make projects, push tasks, and warn when anybody can see another's project."""
    from annotation.label_studio.start import find_shared_projects, make_projects

    workplace = make_projects(folder, workplace, record)
    _push(folder, workplace, record)
    for one, other in find_shared_projects(workplace):
        warn(f"{one} can open {other}'s project with the token given. Independence rests on their word.")
    return workplace


def _pull_until_stopped(folder: RunFolder, workplace: Workplace, record: VoteRecord, every_s: float) -> bool:
    """Pull until Ctrl-C or SIGTERM, and then once more; returns whether that last pull brought everything."""
    import signal
    import threading

    stop = threading.Event()
    old = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not stop.wait(every_s):
            _pull_and_push(folder, workplace, record, everything=False)
        return _pull_and_push(folder, workplace, record, everything=True)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _pull_and_push(folder: RunFolder, workplace: Workplace, record: VoteRecord, everything: bool) -> bool:
    """Pull and push; returns whether both went well. A failure is printed and stops nothing: people work."""
    try:
        _pull(folder, workplace, record, everything)
        _push(folder, workplace, record)
    except Exception as error:
        from annotation.errors import AnnotationError
        from qreal_tasks.shards.errors import ShardError

        reason = str(error) if isinstance(error, AnnotationError | ShardError) else f"{type(error).__name__}: {error}"
        echo(f"qreal annotate verify start: {reason}", colour="yellow", err=True)
        return False
    return True


def _pull(folder: RunFolder, workplace: Workplace, record: VoteRecord, everything: bool) -> None:
    from annotation.label_studio.pull import pull
    from annotation.label_studio.tasks import read_stored_sizes

    for one in pull(workplace, record, read_stored_sizes(folder), everything):
        gone = f", {one.withdrawn} withdrawn" if one.withdrawn else ""
        echo(f"{one.name}: {one.answered} answered, {one.new} new{gone}")
        for wrong in one.unusable:
            echo(f"  {wrong.name}: {wrong.reason}; not counted until it is mended")
        for noted in one.noted:
            echo(f"  {noted.name}: counted; {noted.note}")


def _push(folder: RunFolder, workplace: Workplace, record: VoteRecord) -> None:
    from annotation.label_studio.push import push_all

    for one in push_all(folder, workplace, record):
        if one.new:
            echo(f"{one.name}: {one.new} new entities, {one.total} in all")
