"""Set the workplace up: seats, pictures, projects; whatever is there already is left as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from annotation.errors import AnnotationError
from annotation.run_folder import RunFolder
from annotation.verification.client import LabelStudio
from annotation.verification.media import FOLDER
from annotation.verification.page import label_config
from annotation.verification.server import LOOPBACK, new_seat
from annotation.verification.votes import VoteRecord
from annotation.verification.workplace import (
    Seat,
    Workplace,
    checked_names,
    checked_url,
    has_workplace,
    load_workplace,
    local_media,
    media_folder,
    run_id_of,
    save_workplace,
)

PORT = 8080


@dataclass(frozen=True)
class Team:
    """Servers that are there already."""

    urls: Mapping[str, str]
    """Annotator to address."""
    tokens: Mapping[str, str]
    """Annotator to the token of an account."""
    media_url: str
    """Where the folder RUN/verification/media/pictures is served."""


def set_up(
    run: RunFolder,
    names: Sequence[str],
    adjudicator: str | None = None,
    host: str = LOOPBACK,
    port: int = PORT,
    team: Team | None = None,
) -> Workplace:
    """The run's workplace, made when there is none; an adjudicator may be added later.

    Raises:
        AnnotationError: names or addresses are not as expected, or other people verify this run.
    """
    checked_names([*names, *([adjudicator] if adjudicator else [])])
    if has_workplace(run):
        return _go_on(run, names, adjudicator, host)
    everybody = [(name, False) for name in names] + [(adjudicator, True)] * bool(adjudicator)
    if team is None:
        seats = [new_seat(str(name), host, port + n, last) for n, (name, last) in enumerate(everybody)]
        made = Workplace(run_id_of(run), True, local_media(), tuple(seats))
    else:
        seats = [
            Seat(str(name), checked_url(team.urls[str(name)]), team.tokens[str(name)], adjudicates=last)
            for name, last in everybody
        ]
        made = Workplace(run_id_of(run), False, team.media_url.rstrip("/") + "/", tuple(seats))
    save_workplace(run, made)
    return made


def make_projects(run: RunFolder, workplace: Workplace, record: VoteRecord) -> Workplace:
    """A project for every seat that has none, or whose project was deleted; votes that were pulled stay.

    Raises:
        AnnotationError: a server fails.
    """
    for seat in workplace.seats:
        with seat.client() as client:
            client.who_am_i()
            if seat.project_id is not None and client.has_project(seat.project_id):
                continue
            page = label_config(adjudicating=seat.adjudicates)
            title = f"Q-Real verification: {run.path.resolve().name}, {seat.name}"
            project = client.create_project(title, page, "Yes or No by the letters beside them, Ctrl+Enter to submit.")
            if workplace.own:
                client.serve_folder(project, str(media_folder(run) / FOLDER))
            record.take_back(seat.name)
        workplace = workplace.with_seat(replace(seat, project_id=project))
        save_workplace(run, workplace)
    return workplace


def who_sees_whom(workplace: Workplace) -> list[tuple[str, str]]:
    """Pairs of people of whom the first can open the second's project with the first's own account."""
    found = []
    for one in workplace.seats:
        for other in workplace.seats:
            if one.name != other.name and other.project_id is not None:
                with LabelStudio(other.url, one.token, one.name) as client:
                    if client.has_project(other.project_id):
                        found.append((one.name, other.name))
    return found


def _go_on(run: RunFolder, names: Sequence[str], adjudicator: str | None, host: str) -> Workplace:
    there = load_workplace(run)
    if [seat.name for seat in there.annotators] != list(names):
        known = ",".join(seat.name for seat in there.annotators)
        raise AnnotationError(f"{run.path} is verified by {known}; give --annotators {known}, or another run")
    if adjudicator and there.adjudicator is None:
        if not there.own:
            raise AnnotationError("an adjudicator on a team's server is named when the workplace is set up")
        port = 1 + max(int(seat.url.rpartition(":")[2]) for seat in there.seats)
        there = replace(there, seats=(*there.seats, new_seat(adjudicator, host, port, adjudicates=True)))
        save_workplace(run, there)
    return there
