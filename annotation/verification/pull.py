"""Bring home what was answered. It may be done at any time and any number of times: it only ever adds what is new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from annotation.errors import AnnotationError
from annotation.verification.client import Json
from annotation.verification.tasks import Unusable, votes_of, withdrawn
from annotation.verification.votes import Vote, VoteRecord
from annotation.verification.workplace import Seat, Workplace


@dataclass(frozen=True)
class Pulled:
    """What one person has answered so far."""

    name: str
    new: int
    """Votes, or changes of votes, that were not known before."""
    answered: int
    unusable: Sequence[Unusable]
    withdrawn: int
    """Votes that the person deleted since the last pull."""


def pull(workplace: Workplace, record: VoteRecord) -> list[Pulled]:
    """From every seat; one that cannot be reached keeps none of the others.

    Raises:
        AnnotationError: some seat could not be pulled from; raised after all others were.
    """
    done, wrong = list[Pulled](), list[str]()
    for seat in workplace.seats:
        try:
            done.append(pull_seat(seat, workplace.run_id, record))
        except AnnotationError as error:
            wrong.append(f"{seat.name}: {error}")
    if wrong:
        others = f" ({', '.join(one.name for one in done)} pulled, {sum(one.new for one in done)} new)" if done else ""
        raise AnnotationError("; ".join(wrong) + others)
    return done


def pull_seat(seat: Seat, run_id: str, record: VoteRecord) -> Pulled:
    """From one person.

    Raises:
        AnnotationError: the server or project is gone, the token is refused, or the project holds something else.
    """
    if seat.project_id is None:
        raise AnnotationError("has no project yet; `qreal annotate verify start RUN` makes one")
    votes, unusable = dict[str, Vote](), list[Unusable]()
    with seat.client() as client:
        for task in client.tasks(seat.project_id, answered_only=True):
            for said in votes_of(task, seat.name, run_id):
                if isinstance(said, Unusable):
                    unusable.append(said)
                elif said.entity_id not in votes or said.updated_at > votes[said.entity_id].updated_at:
                    votes[said.entity_id] = said
        new = record.add(votes.values())
        answered = votes.keys() | {one.entity_id for one in unusable}
        missing = [one for one in record.latest() if one.annotator == seat.name and one.entity_id not in answered]
        deleted = _deleted(missing, seat, run_id, client.tasks(seat.project_id)) if missing else []
    record.add(deleted)
    return Pulled(seat.name, new, len(votes), unusable, len(deleted))


def _deleted(known: Sequence[Vote], seat: Seat, run_id: str, tasks: Iterable[Json]) -> list[Vote]:
    """Known votes whose tasks are there without an answer. A task that is gone itself takes no vote with it."""
    bare = {
        task["data"]["entity_id"]: task["updated_at"] for task in tasks if not list(votes_of(task, seat.name, run_id))
    }
    return [withdrawn(vote, bare[vote.entity_id]) for vote in known if vote.entity_id in bare]
