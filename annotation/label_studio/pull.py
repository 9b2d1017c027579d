"""Brings home what was answered, at any time and any number of times: it only ever adds what is new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from annotation.errors import AnnotationError
from annotation.label_studio.submissions import FOREIGN, Submission, belongs_to_run, read_task, to_utc, withdraw
from annotation.label_studio.tasks import StoredSize
from annotation.label_studio.workplace import AnnotatorAccount, Workplace
from annotation.merging.votes import Vote, VoteRecord, key_of_shown

_OVERLAP_S = 10


@dataclass(frozen=True)
class PullResult:
    """What one person has answered so far."""

    name: str
    new: int
    """Votes, or changes of votes, that were not known before."""
    answered: int
    """Votes that count, pulled now or before."""
    unusable: Sequence[Submission]
    """Submissions that are no votes, among those that were changed since the last pull."""
    noted: Sequence[Submission]
    """Votes with a note, among those that were changed since the last pull."""
    withdrawn: int
    """Votes that the person deleted, or changed into something unusable, since the last pull."""


def pull(
    workplace: Workplace, record: VoteRecord, sizes: Mapping[str, StoredSize], everything: bool = True
) -> Iterator[PullResult]:
    """Pull from every account, one after the other; one that cannot be pulled from keeps none of the others.

    Args:
        sizes: of the run's stored images.
        everything: read all tasks; else those that were changed since the last pull, as far as the server's clock and
            counts can be trusted.

    Raises:
        AnnotationError: some account could not be pulled from, whatever the reason; raised after all others were.
    """
    done, wrong = list[PullResult](), list[str]()
    for account in workplace.accounts:
        try:
            shared = sum(other.token == account.token for other in workplace.accounts) > 1
            pulled = pull_account(account, workplace.run_id, record, sizes, shared, everything)
        except AnnotationError as error:
            wrong.append(f"{account.name}: {error}")
        except Exception as error:  # the votes of the others are brought home all the same
            wrong.append(f"{account.name}: {type(error).__name__}: {error}")
        else:
            done.append(pulled)
            yield pulled
    if wrong:
        others = f" ({', '.join(one.name for one in done)} pulled, {sum(one.new for one in done)} new)" if done else ""
        raise AnnotationError("; ".join(wrong) + others)


def pull_account(
    account: AnnotatorAccount,
    run_id: str,
    record: VoteRecord,
    sizes: Mapping[str, StoredSize],
    shares_account: bool = False,
    everything: bool = True,
) -> PullResult:
    """Pull the votes of one person.

    Args:
        sizes, everything: as ``pull``.
        shares_account: the token is not of an account that is this person's alone, so it does not say who answered.

    Raises:
        AnnotationError: the server or project is gone, the token is refused, or the project holds nothing of this run.
    """
    if account.project_id is None:
        raise AnnotationError("has no project yet; `qreal annotate verify start RUN` makes one")
    known = record.latest(account.name)
    since = record.last_pull(account.name, account.project_id)
    with account.client() as client:
        # It also says when the project is gone, where a list of tasks would just be empty.
        counted = client.project(account.project_id).get("num_tasks_with_annotations")
        account_id = None if shares_account else client.account_id()
        put_back = since is not None and _is_before(client.server_time, since)
        if everything or put_back:
            since = None
        tasks = list(client.tasks(account.project_id, since and _a_little_before(since)))
        found = [read_task(task, account.name, run_id, sizes, account_id) for task in tasks]
        if since is not None and counted != _count_answered(known, found):
            since = None
            tasks = list(client.tasks(account.project_id))
            found = [read_task(task, account.name, run_id, sizes, account_id) for task in tasks]
    foreign = sum(not belongs_to_run(task, run_id) for task in tasks)
    latest = max([since or "", *map(_changed_at, tasks)])
    if found and foreign == len(found) and since is None:
        raise AnnotationError(
            f"{account.name}'s project holds {found[0].name} of another run or something else, {FOREIGN}"
        )
    gone = _find_withdrawn(found, known, put_back)
    added = record.add(one.vote for one in found if one.vote is not None)
    record.add(gone)
    if latest:
        record.record_pull(account.name, account.project_id, latest)
    return PullResult(
        name=account.name,
        new=added,
        answered=len(record.latest(account.name)),
        unusable=[one for one in found if one.reason],
        noted=[one for one in found if one.note and one.vote not in known],
        withdrawn=len(gone),
    )


def _is_before(server_time: datetime | None, since: str) -> bool:
    """Whether the server's clock was put back since the last pull: what people answer then looks old."""
    return server_time is not None and server_time < datetime.fromisoformat(since) - timedelta(seconds=_OVERLAP_S)


def _count_answered(known: Sequence[Vote], found: Sequence[Submission]) -> int:
    """How many tasks have an answer, as far as is known here."""
    answered = {(vote.entity_id, key_of_shown(vote.shown)) for vote in known}
    for one in found:
        place = one.entity_id or "", key_of_shown(one.shown)
        if one.vote is not None or one.reason:
            answered.add(place)
        else:
            answered.discard(place)
    return len(answered)


def _find_withdrawn(found: Sequence[Submission], known: Sequence[Vote], put_back: bool) -> list[Vote]:
    """The known votes in whose place nothing, or nothing usable, is submitted now.

    Args:
        put_back: the server's clock was put back, so times say nothing.
    """
    before: dict[tuple[str | None, str], Vote] = {(vote.entity_id, key_of_shown(vote.shown)): vote for vote in known}
    voted = {
        (one.entity_id, key_of_shown(one.shown)) for one in found if one.vote is not None
    }  # a task may be there twice
    gone = []
    for one in found:
        place = one.entity_id, key_of_shown(one.shown)
        vote = before.get(place) if place not in voted else None
        if vote is not None and one.updated_at is not None and (put_back or one.updated_at >= vote.updated_at):
            gone.append(withdraw(vote, one.updated_at))
    return gone


def _changed_at(task: object) -> str:
    """The time when a task was changed, in UTC; empty for one that does not say it. No later than now: the next pull
    asks for what was changed since the latest of all, and a time that is wrong must not hide what people answer
    meanwhile."""
    try:
        changed_at = to_utc(task.get("updated_at") if isinstance(task, Mapping) else None)
    except ValueError:
        return ""
    return min(changed_at, to_utc(datetime.now(UTC).isoformat()))


def _a_little_before(since: str) -> str:
    """A time a little before: what a transaction wrote that was still open then comes again, and adds nothing."""
    before = datetime.fromisoformat(since) - timedelta(seconds=_OVERLAP_S)
    return before.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # the one form that the filter takes
