"""Sets a workplace up: accounts and projects; whatever is there already is left as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from annotation.errors import AnnotationError
from annotation.label_studio.client import LabelStudio
from annotation.label_studio.page import build_page
from annotation.label_studio.server import new_account, server_url
from annotation.label_studio.tasks import FOLDER
from annotation.label_studio.workplace import (
    LOCAL_MEDIA_URL,
    AnnotatorAccount,
    Workplace,
    check_annotators,
    check_token,
    check_url,
    find_workplace,
    media_folder,
    save_workplace,
)
from annotation.merging.votes import VoteRecord
from annotation.run.folder import RunFolder

PORT = 8080
_LONGEST_TITLE = 50
_ADAPTIVE = 3
"""How many annotators an adaptive verification has: of three people two that agree are a majority."""


@dataclass(frozen=True)
class TeamServers:
    """Servers of a team, which are running already."""

    urls: Mapping[str, str]
    """Annotator to address."""
    tokens: Mapping[str, str]
    """Annotator to the token of an account."""
    media_url: str
    """Where the folder RUN/verification/media/pictures is served."""


@dataclass(frozen=True)
class SetupRequest:
    """What a user asks ``qreal annotate verify start`` for."""

    names: Sequence[str]
    adjudicator: str | None = None
    port: int | None = None
    """Port of the first own server; None for the one there is, or 8080."""
    team: TeamServers | None = None
    adaptive: bool | None = None
    """None for as it is."""

    @property
    def everybody(self) -> list[tuple[str, bool]]:
        """Names, and whether they adjudicate."""
        last = [] if self.adjudicator is None else [(self.adjudicator, True)]
        return [*((name, False) for name in self.names), *last]


def set_up(run: RunFolder, wanted: SetupRequest) -> Workplace:
    """Make the run's workplace, or change the one there is: ports, tokens and addresses, and an adjudicator who is new.
    Its people stay.

    Raises:
        AnnotationError: names or addresses are not as expected, or other people verify this run.
    """
    check_annotators(wanted.names, wanted.adjudicator)
    team, there = wanted.team, find_workplace(run)
    base = there or Workplace(run.run_id, team is None, LOCAL_MEDIA_URL, False, ())
    if there is not None:
        _check_people(run, there, wanted)
        if there.adjudicator is not None:
            wanted = replace(wanted, adjudicator=there.adjudicator.name)
    made = _use_own_servers(run, base, wanted) if team is None else _use_team_servers(run, base, wanted, team)
    if wanted.adaptive is not None:
        made = replace(made, adaptive=wanted.adaptive)
    if made.adaptive and len(made.annotators) != _ADAPTIVE:
        raise AnnotationError(
            f"--adaptive is for three annotators: with {len(made.annotators)} the first two alone would decide what "
            "all might decide otherwise"
        )
    save_workplace(run, made)
    return made


def _use_own_servers(run: RunFolder, base: Workplace, wanted: SetupRequest) -> Workplace:
    if not base.own:
        if wanted.port is not None:
            raise AnnotationError(f"{run.path} is verified on a team's servers; --port is for servers of the run's own")
        return base
    old = {account.name: account for account in base.accounts}
    _check_no_accounts(run, [name for name, _ in wanted.everybody if name not in old])
    first = wanted.port or (int(base.accounts[0].url.rpartition(":")[2]) if base.accounts else PORT)
    accounts = tuple(
        replace(old[name], url=server_url(first + n)) if name in old else new_account(name, first + n, adjudicates)
        for n, (name, adjudicates) in enumerate(wanted.everybody)
    )
    return replace(base, accounts=accounts)


def _use_team_servers(run: RunFolder, base: Workplace, wanted: SetupRequest, team: TeamServers) -> Workplace:
    if base.own:
        raise AnnotationError(
            f"{run.path} is verified on servers of its own; --url is for a run that nobody verifies yet"
        )
    old = {account.name: account for account in base.accounts}
    accounts = []
    for name, adjudicates in wanted.everybody:
        if name in old and name not in team.urls:
            accounts.append(old[name])
            continue
        url, token = check_url(team.urls[name]), check_token(team.tokens[name], name)
        is_same = name in old and old[name].url == url
        account = old[name] if is_same else AnnotatorAccount(name, url, token, adjudicates=adjudicates)
        accounts.append(replace(account, token=token))
    return replace(base, media=check_url(team.media_url) + "/", accounts=tuple(accounts))


def _check_people(run: RunFolder, there: Workplace, wanted: SetupRequest) -> None:
    known = ",".join(account.name for account in there.annotators)
    if known != ",".join(wanted.names):
        raise AnnotationError(f"{run.path} is verified by {known}; give --annotators {known}, or another run")
    last = there.adjudicator
    if last is not None and wanted.adjudicator not in (None, last.name):
        raise AnnotationError(f"{run.path} is adjudicated by {last.name}; give --adjudicator {last.name}, or none")


def _check_no_accounts(run: RunFolder, names: Sequence[str]) -> None:
    """Refuse accounts whose secrets are lost: they cannot be used again."""
    for name in names:
        if (run.verification_path / name).exists():
            raise AnnotationError(
                f"{run.verification_path / name} holds {name}'s server, but workplace.json, which held its token, "
                "does not know it. Put a copy of that file back, or move that folder away; pulled votes stay"
            )


def make_projects(run: RunFolder, workplace: Workplace, record: VoteRecord) -> Workplace:
    """Make a project for every account that has none, or whose project was deleted; votes that were pulled stay.

    Raises:
        AnnotationError: a server fails.
    """
    for account in workplace.accounts:
        page = build_page(adjudicating=account.adjudicates)
        with account.client() as client:
            client.who_am_i()
            project = account.project_id
            if project is None or not client.has_project(project):
                title = f"{account.name}: {run.path.resolve().name}"[:_LONGEST_TITLE]
                project = client.create_project(title, page, "Q-Real: a task an entity.")
                record.forget_tasks(account.name)
            elif client.project(project).get("label_config") != page:
                client.change_page(project, page)
            if workplace.own:  # again where the run was moved
                client.serve_folder(project, str(media_folder(run) / FOLDER))
        workplace = workplace.with_account(replace(account, project_id=project))
        save_workplace(run, workplace)
    return workplace


def find_shared_projects(workplace: Workplace) -> list[tuple[str, str]]:
    """Find pairs of people of one server of whom the first can open the second's project with the first's own account.
    Where people have servers of their own no token is tried: none is sent to a server that it is not of."""
    found = []
    for one, other in permutations(workplace.accounts, 2):
        if one.url == other.url and other.project_id is not None:
            with LabelStudio(other.url, one.token, one.name) as client:
                if client.has_project(other.project_id):
                    found.append((one.name, other.name))
    return found
