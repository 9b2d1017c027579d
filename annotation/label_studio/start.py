"""Set the workplace up: accounts, pictures, projects; whatever is there already is left as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from annotation.errors import AnnotationError
from annotation.label_studio.client import LabelStudio
from annotation.label_studio.page import build_page
from annotation.label_studio.server import new_account, server_url
from annotation.label_studio.tasks import FOLDER
from annotation.label_studio.workplace import (
    AnnotatorAccount,
    Workplace,
    check_annotators,
    check_token,
    check_url,
    has_workplace,
    load_workplace,
    local_media_url,
    media_folder,
    save_workplace,
)
from annotation.merging.votes import VoteRecord
from annotation.run.folder import RunFolder

PORT = 8080
_LONGEST_TITLE = 50
_ADAPTIVE = 3
"""Of three people two that agree are a majority."""


@dataclass(frozen=True)
class TeamServers:
    """Servers that are there already."""

    urls: Mapping[str, str]
    """Annotator to address."""
    tokens: Mapping[str, str]
    """Annotator to the token of an account."""
    media_url: str
    """Where the folder RUN/verification/media/pictures is served."""


@dataclass(frozen=True)
class SetupRequest:
    """What a user asks for."""

    names: Sequence[str]
    adjudicator: str | None = None
    port: int | None = None
    """Of the first own server; None for the one there is, or 8080."""
    team: TeamServers | None = None
    adaptive: bool | None = None
    """None for as it is."""

    @property
    def everybody(self) -> list[tuple[str, bool]]:
        """Names, and whether they adjudicate."""
        last = [] if self.adjudicator is None else [(self.adjudicator, True)]
        return [*((name, False) for name in self.names), *last]


def set_up(run: RunFolder, wanted: SetupRequest) -> Workplace:
    """The run's workplace, made when there is none. Ports, tokens and addresses of one that is there can be changed, an
    adjudicator added; its people stay.

    Raises:
        AnnotationError: names or addresses are not as expected, or other people verify this run.
    """
    check_annotators(wanted.names, wanted.adjudicator)
    there = load_workplace(run) if has_workplace(run) else None
    if there is not None:
        _check_people(run, there, wanted)
        if there.adjudicator is not None:
            wanted = replace(wanted, adjudicator=there.adjudicator.name)
    made = _of_team(run, wanted, wanted.team, there) if wanted.team is not None else _own(run, wanted, there)
    if wanted.adaptive is not None:
        made = replace(made, adaptive=wanted.adaptive)
    if made.adaptive and len(made.annotators) != _ADAPTIVE:
        raise AnnotationError(
            f"--adaptive is for three annotators: with {len(made.annotators)} the first two alone would decide what "
            "all might decide otherwise"
        )
    save_workplace(run, made)
    return made


def _own(run: RunFolder, wanted: SetupRequest, there: Workplace | None) -> Workplace:
    if there is not None and not there.own:
        if wanted.port is not None:
            raise AnnotationError(f"{run.path} is verified on a team's servers; --port is for servers of the run's own")
        return there
    old = {} if there is None else {account.name: account for account in there.accounts}
    _check_no_accounts(run, [name for name, _ in wanted.everybody if name not in old])
    first = wanted.port or (int(there.accounts[0].url.rpartition(":")[2]) if there is not None else PORT)
    accounts = tuple(
        replace(old[name], url=server_url(first + n)) if name in old else new_account(name, first + n, adjudicates)
        for n, (name, adjudicates) in enumerate(wanted.everybody)
    )
    if there is None:
        return Workplace(run.run_id, True, local_media_url(), False, accounts)
    return replace(there, accounts=accounts)


def _of_team(run: RunFolder, wanted: SetupRequest, team: TeamServers, there: Workplace | None) -> Workplace:
    if there is not None and there.own:
        raise AnnotationError(
            f"{run.path} is verified on servers of its own; --url is for a run that nobody verifies yet"
        )
    old = {} if there is None else {account.name: account for account in there.accounts}
    accounts = []
    for name, adjudicates in wanted.everybody:
        if name in old and name not in team.urls:
            accounts.append(old[name])
            continue
        url, token = check_url(team.urls[name]), check_token(team.tokens[name], name)
        same = old.get(name) if name in old and old[name].url == url else None
        accounts.append(
            replace(same, token=token) if same else AnnotatorAccount(name, url, token, adjudicates=adjudicates)
        )
    media = check_url(team.media_url) + "/"
    if there is None:
        return Workplace(run.run_id, False, media, False, tuple(accounts))
    return replace(there, media=media, accounts=tuple(accounts))


def _check_people(run: RunFolder, there: Workplace, wanted: SetupRequest) -> None:
    known = ",".join(account.name for account in there.annotators)
    if known != ",".join(wanted.names):
        raise AnnotationError(f"{run.path} is verified by {known}; give --annotators {known}, or another run")
    last = there.adjudicator
    if last is not None and wanted.adjudicator not in (None, last.name):
        raise AnnotationError(f"{run.path} is adjudicated by {last.name}; give --adjudicator {last.name}, or none")


def _check_no_accounts(run: RunFolder, names: Sequence[str]) -> None:
    """Accounts whose secrets are lost cannot be used again."""
    for name in names:
        if (run.verification_path / name).exists():
            raise AnnotationError(
                f"{run.verification_path / name} holds {name}'s server, but workplace.json, which held its token, "
                "does not know it. Put a copy of that file back, or move that folder away; pulled votes stay"
            )


def make_projects(run: RunFolder, workplace: Workplace, record: VoteRecord) -> Workplace:
    """A project for every account that has none, or whose project was deleted; votes that were pulled stay.

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
                record.take_back(account.name)
            elif client.project(project).get("label_config") != page:
                client.change_page(project, page)
            if workplace.own:  # again where the run was moved
                client.serve_folder(project, str(media_folder(run) / FOLDER))
        workplace = workplace.with_account(replace(account, project_id=project))
        save_workplace(run, workplace)
    return workplace


def find_shared_projects(workplace: Workplace) -> list[tuple[str, str]]:
    """Pairs of people of one server of whom the first can open the second's project with the first's own account.
    Where people have servers of their own no token is tried: none is sent to a server that it is not of."""
    found = []
    for one in workplace.accounts:
        for other in workplace.accounts:
            if one.name == other.name or one.url != other.url or other.project_id is None:
                continue
            with LabelStudio(other.url, one.token, one.name) as client:
                if client.has_project(other.project_id):
                    found.append((one.name, other.name))
    return found
