"""The votes of a run beside the forms they are on, and who is asked about an entity.

With three people a majority is two. Where the first two agree in an answer, the third cannot change it; so an adaptive
verification asks the third only where the first two differ in anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from annotation.errors import AnnotationError, annotate_command
from annotation.merging.fields import LIKE_OTHER_IOU, normalize_label
from annotation.merging.forms import DraftForm, load_forms
from annotation.merging.merge import MergedEntity, merge_votes
from annotation.merging.votes import People, Vote, VoteRecord, group_by_entity, is_current
from annotation.run.folder import RunFolder
from qreal_tasks.boxes import iou_matrix

FIRST = 2


def first_annotators(entity_id: str, annotators: Sequence[str]) -> tuple[str, ...]:
    """The two who are asked first. Every pair comes equally often; which one follows from the entity alone.

    >>> first_annotators("0f3a#1", ["anna", "ben", "cara"])
    ('ben', 'cara')

    Args:
        annotators: at least two; their order does not matter.
    """
    names = sorted(annotators)
    start = int.from_bytes(hashlib.sha256(entity_id.encode()).digest()) % len(names)
    return tuple(sorted(names[(start + step) % len(names)] for step in range(FIRST)))


def votes_differ(a: Vote, b: Vote) -> bool:
    """Whether a third person is needed: another answer, drop against keep, another label, or boxes with IoU below .8.

    Two who both drop it agree, whatever their reasons.
    """
    if a.drop is not None or b.drop is not None:
        return (a.drop is None) != (b.drop is None)
    if a.answers != b.answers or normalize_label(a.label) != normalize_label(b.label):
        return True
    return bool(iou_matrix([a.bbox_px], [b.bbox_px])[0, 0] < LIKE_OTHER_IOU)


def needs_third(entity_id: str, annotators: Sequence[str], votes: Sequence[Vote]) -> bool:
    """Whether both of the first two have answered and differ.

    Args:
        votes: on this entity, one a person.
    """
    first = first_annotators(entity_id, annotators)
    theirs = [vote for vote in votes if vote.annotator in first]
    return len(theirs) == FIRST and votes_differ(*theirs)


def count_saved_votes(assigned: Mapping[str, Collection[str]], annotators: Sequence[str], votes: Iterable[Vote]) -> int:
    """Count votes that nobody was asked for, since the first two have answered alike.

    Args:
        assigned: entity to the people who were asked about it.
    """
    by_entity, saved = group_by_entity(votes), 0
    for entity_id, people in assigned.items():
        cast, first = by_entity.get(entity_id, []), set(first_annotators(entity_id, annotators))
        answered = first <= {vote.annotator for vote in cast}
        if set(people) == first and answered and not needs_third(entity_id, annotators, cast):
            saved += len(annotators) - FIRST
    return saved


@dataclass(frozen=True)
class Ballot:
    """Everything that merging depends on."""

    forms: Mapping[str, DraftForm]
    votes: Mapping[str, Sequence[Vote]]
    """Entity to its votes; only those on the forms as they are, and none of the adjudicator's."""
    adjudicated: Mapping[str, Vote]
    """Entity to the adjudicator's vote."""
    assigned_forms: Mapping[str, Mapping[str, str]]
    """Annotator to entity to digest of the form."""
    people: People
    stale: int
    """Votes on drafts that were made anew since, or on entities that are no longer drafted."""

    def assigned(self, entity_id: str) -> set[str]:
        """People who were asked about the entity or answered it; with ``adaptive`` also who is to be asked next."""
        votes = self.votes.get(entity_id, ())
        if self.people.adaptive and needs_third(entity_id, self.annotators, votes):
            return set(self.people.annotators)
        asked = {who for who, entities in self.assigned_forms.items() if entity_id in entities}
        return (asked | {vote.annotator for vote in votes}) - self.people.adjudicators

    @property
    def annotators(self) -> list[str]:
        """Names in alphabetical order, without adjudicators."""
        return sorted(self.people.annotators)

    @property
    def independent_votes(self) -> Mapping[str, Sequence[Vote]]:
        """Votes that were asked for whatever others had answered: with ``adaptive`` those of the first two."""
        if not self.people.adaptive:
            return self.votes
        return {
            entity: [vote for vote in votes if vote.annotator in first_annotators(entity, self.annotators)]
            for entity, votes in self.votes.items()
        }

    def digests(self) -> dict[str, Any]:
        """What names the forms, votes and people, for the recipe of a file that is made of them."""
        people = self.people
        return {
            "forms": _digest({one: [f.digest, dict(f.answers), f.integrated] for one, f in self.forms.items()}),
            "votes": _digest(
                [[asdict(vote) for vote in self.votes[entity]] for entity in sorted(self.votes)]
                + [asdict(self.adjudicated[entity]) for entity in sorted(self.adjudicated)]
            ),
            "people": [self.annotators, sorted(people.adjudicators), people.adaptive],
            "laid_before": _digest({who: dict(forms) for who, forms in self.assigned_forms.items()}),
        }


def load_ballot(run: RunFolder) -> Ballot:
    """Read forms and votes of a run.

    Raises:
        AnnotationError: nothing was pulled yet, or drafts are missing.
        StoreError: the record of votes cannot be read.
    """
    if not run.votes_path.is_file():
        command = annotate_command("verify", "pull", run.path)
        raise AnnotationError(f"{run.path}: no vote was pulled yet; `{command}` pulls them")
    forms = load_forms(run)
    with VoteRecord(run.votes_path) as record:
        latest, assigned_forms, people = record.latest(), record.assigned_forms(), record.people()
    current = [vote for vote in latest if is_current(vote, forms)]
    adjudicated = {vote.entity_id: vote for vote in current if vote.annotator in people.adjudicators}
    votes = group_by_entity(vote for vote in current if vote.annotator not in people.adjudicators)
    return Ballot(forms, votes, adjudicated, assigned_forms, people, len(latest) - len(current))


def merge_ballot(ballot: Ballot, min_votes: int | None) -> list[MergedEntity]:
    """Merge the votes on every drafted entity, in the order of the drafts."""
    votes, adjudicated = ballot.votes, ballot.adjudicated
    return [
        merge_votes(form, votes.get(entity, ()), ballot.assigned(entity), adjudicated.get(entity), min_votes)
        for entity, form in ballot.forms.items()
    ]


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
