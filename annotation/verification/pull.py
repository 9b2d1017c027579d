"""Bring home what was answered. It may be done at any time and any number of times: it only ever adds what is new."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from annotation.errors import AnnotationError
from annotation.verification.tasks import Unusable, votes_of, withdrawn
from annotation.verification.votes import Vote, VoteRecord
from annotation.verification.workplace import Seat, Workplace

_OVERLAP_S = 10


@dataclass(frozen=True)
class Pulled:
    """What one person has answered so far."""

    name: str
    new: int
    """Votes, or changes of votes, that were not known before."""
    answered: int
    """Votes that count, pulled now or before."""
    unusable: Sequence[Unusable]
    """Among what was changed since the last pull."""
    withdrawn: int
    """Votes that the person deleted, or changed into something unusable, since the last pull."""


def pull(workplace: Workplace, record: VoteRecord) -> list[Pulled]:
    """From every seat; one that cannot be reached keeps none of the others.

    Raises:
        AnnotationError: some seat could not be pulled from; raised after all others were.
    """
    done, wrong = list[Pulled](), list[str]()
    for seat in workplace.seats:
        try:
            shared = sum(other.token == seat.token for other in workplace.seats) > 1
            done.append(pull_seat(seat, workplace.run_id, record, shared))
        except AnnotationError as error:
            wrong.append(f"{seat.name}: {error}")
    if wrong:
        others = f" ({', '.join(one.name for one in done)} pulled, {sum(one.new for one in done)} new)" if done else ""
        raise AnnotationError("; ".join(wrong) + others)
    return done


def pull_seat(seat: Seat, run_id: str, record: VoteRecord, shares_account: bool = False) -> Pulled:
    """From one person: what was changed since the last pull, and everything the first time.

    Args:
        shares_account: the token is not of an account that is this person's alone, so it does not say who answered.

    Raises:
        AnnotationError: the server or project is gone, the token is refused, or the project holds something else.
    """
    if seat.project_id is None:
        raise AnnotationError("has no project yet; `qreal annotate verify start RUN` makes one")
    known = {(vote.entity_id, _key(vote.shown)): vote for vote in record.latest(seat.name)}
    since = record.pulled_since(seat.name, seat.project_id)
    new, gone, unusable, latest = list[Vote](), list[Vote](), list[Unusable](), since
    with seat.client() as client:
        client.project(seat.project_id)  # says when it is gone, where a list of tasks would just be empty
        account = None if shares_account else int(client.who_am_i()["id"])
        for task in client.tasks(seat.project_id, since and _a_little_before(since)):
            said = next(votes_of(task, seat.name, run_id, account), None)
            latest = max(latest or "", task["updated_at"])
            if isinstance(said, Vote):
                new.append(said)
                continue
            if said is not None:
                unusable.append(said)
            before = known.get((task["data"]["entity_id"], _key(task["data"]["shown"])))
            at = task["updated_at"] if said is None else said.updated_at
            if before is not None and (gone_now := withdrawn(before, at)).updated_at >= before.updated_at:
                gone.append(gone_now)
    voted = {(vote.entity_id, _key(vote.shown)) for vote in new}
    gone = [vote for vote in gone if (vote.entity_id, _key(vote.shown)) not in voted]  # a task that is there twice
    added = record.add(new)
    record.add(gone)
    if latest:
        record.note_pull(seat.name, seat.project_id, latest)
    return Pulled(seat.name, added, len(record.latest(seat.name)), unusable, len(gone))


def _key(shown: Mapping[str, Any]) -> str:
    return json.dumps(shown, sort_keys=True)


def _a_little_before(since: str) -> str:
    """What a transaction wrote that was still open then comes again; it is known, and adds nothing."""
    before = datetime.fromisoformat(since) - timedelta(seconds=_OVERLAP_S)
    return before.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # the one form that the filter takes
