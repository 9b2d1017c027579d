"""Gives people their tasks, in an order in which any beginning of it is of use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from annotation.errors import AnnotationError
from annotation.label_studio.submissions import FOREIGN, belongs_to_run, read_form_of_task
from annotation.label_studio.tasks import StoredSize, build_task, read_stored_sizes
from annotation.label_studio.workplace import AnnotatorAccount, Workplace
from annotation.merging.ballot import first_annotators, load_ballot, merge_ballot, needs_third
from annotation.merging.forms import DraftForm, load_forms
from annotation.merging.merge import Conclusion
from annotation.merging.votes import People, Vote, VoteRecord, group_by_entity, is_current
from annotation.run.folder import RunFolder
from qreal_tasks.benchmark import QUESTION_NAMES

_PORTION = 500


@dataclass(frozen=True)
class PushResult:
    """What one person was given."""

    name: str
    new: int
    total: int
    """Entities that this person was asked about altogether."""


def order_forms(forms: Mapping[str, DraftForm]) -> list[DraftForm]:
    """Order forms by prompt, in an order that says nothing of content, generator or drafted answers; within it as
    drafted.

    A dataset is split by prompt, so a prompt is of use when all of its images are verified, and whatever was verified
    first is a fair sample of the whole.
    """

    def key(form: DraftForm) -> tuple[str, str, int]:
        drawn = hashlib.sha256(form.prompt_id.encode()).hexdigest()
        return drawn, form.image_id, int(form.entity_id.rpartition("#")[2])

    return sorted(forms.values(), key=key)


def push_all(run: RunFolder, workplace: Workplace, record: VoteRecord) -> list[PushResult]:
    """Push to everybody what is theirs and not answered yet, and to the adjudicator what is in conflict. When the
    workplace is adaptive an entity goes to two people first, and to the others once the two have answered and differ.

    Raises:
        AnnotationError: a server fails, or there is nothing to verify.
    """
    forms = load_forms(run)
    last = workplace.adjudicator
    people = People(
        frozenset(account.name for account in workplace.annotators),
        frozenset() if last is None else frozenset({last.name}),
        workplace.adaptive,
    )
    record.record_people(people)
    ordered, sizes = order_forms(forms), read_stored_sizes(run)
    votes = group_by_entity(vote for vote in record.latest() if is_current(vote, forms))
    names = [account.name for account in workplace.annotators]

    def is_for(name: str, form: DraftForm) -> bool:
        cast = votes.get(form.entity_id, [])
        if any(vote.annotator == name for vote in cast):
            return False
        if not workplace.adaptive or name in first_annotators(form.entity_id, names):
            return True
        return needs_third(form.entity_id, names, cast)

    done = [
        push_forms(account, [form for form in ordered if is_for(account.name, form)], sizes, workplace, record)
        for account in workplace.annotators
    ]
    if last is not None:
        conflicts = _find_conflicts(run)
        open_ones = [form for form in ordered if form.entity_id in conflicts]
        done.append(push_forms(last, open_ones, sizes, workplace, record, lambda entity_id: conflicts[entity_id]))
    return done


def _find_conflicts(run: RunFolder) -> dict[str, str]:
    """Entity to what is not settled and how everybody voted on it, as plain text."""
    ballot = load_ballot(run)
    return {
        one.entity_id: _describe_conflict(one.conflicts, ballot.votes[one.entity_id])
        for one in merge_ballot(ballot, None)
        if one.state == Conclusion.CONFLICT and one.adjudicated_by is None
    }


def _describe_conflict(conflicts: Sequence[str], votes: Sequence[Vote]) -> str:
    lines = [f"Not settled: {'; '.join(conflicts)}."]
    for vote in votes:
        if vote.answers is None:
            lines.append(f"{vote.annotator}: drop it, {vote.drop}.")
            continue
        answers = " ".join(vote.answers[name] for name in QUESTION_NAMES)
        texts = " | ".join(text for text in vote.descriptions.values() if text)
        lines.append(f"{vote.annotator}: {answers}; {vote.label}; {texts}")
    return "\n".join(lines)


def push_forms(
    account: AnnotatorAccount,
    forms: Sequence[DraftForm],
    sizes: Mapping[str, StoredSize],
    workplace: Workplace,
    record: VoteRecord,
    votes_text: Callable[[str], str] = lambda entity_id: "",
) -> PushResult:
    """Give a person the forms that they do not have yet; killed and begun again, it goes on.

    An entity whose draft was made anew since comes again, in its new form.

    Raises:
        AnnotationError: the server fails; what is in is noted.
    """
    if account.project_id is None:
        raise AnnotationError(f"{account.name} has no project yet; `qreal annotate verify start RUN` makes one")
    with account.client() as client:
        if client.project(account.project_id).get("task_number") != record.count_tasks(account.name):
            # A push was cut off before it was noted, or a task was deleted by hand.
            there = list(client.tasks(account.project_id))
            mine = [task for task in there if belongs_to_run(task, workplace.run_id)]
            if there and not mine:
                raise AnnotationError(
                    f"{account.name}'s project holds tasks of another run or something else, {FOREIGN}"
                )
            record.forget_tasks(account.name)
            # One that cannot be read, which a pull names, is given to them once more.
            record.record_tasks(
                account.name, account.project_id, [form for form in map(read_form_of_task, mine) if form is not None]
            )
        known = record.assigned_forms().get(account.name, {})
        new = [form for form in forms if known.get(form.entity_id) != form.digest]
        for at in range(0, len(new), _PORTION):
            some = new[at : at + _PORTION]
            tasks = [
                build_task(form, sizes[form.image_id], workplace.run_id, workplace.media, votes_text(form.entity_id))
                for form in some
            ]
            client.put_in(account.project_id, tasks)
            record.record_tasks(account.name, account.project_id, [(form.entity_id, form.digest) for form in some])
    return PushResult(account.name, len(new), len(known.keys() | {form.entity_id for form in new}))
