"""Who is asked first, and when the third person is asked too.

With three people a majority is two. Where the first two agree in an answer, the third cannot change it; so the third is
asked only where the first two differ in anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

from annotation.merging.majority import LIKE_OTHER_IOU
from annotation.merging.texts import normalize_label
from annotation.merging.votes import Vote
from qreal_tasks.boxes import iou_matrix

FIRST = 2


def first_annotators(entity_id: str, annotators: Sequence[str]) -> tuple[str, ...]:
    """The two who are asked first. Every pair comes equally often; which one follows from the entity alone.

    >>> asked_first("0f3a#1", ["anna", "ben", "cara"])
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
    first = set(first_annotators(entity_id, annotators))
    theirs = [vote for vote in votes if vote.annotator in first]
    return len(theirs) == FIRST and votes_differ(*theirs)


def count_saved_votes(assigned: Mapping[str, Collection[str]], annotators: Sequence[str], votes: Sequence[Vote]) -> int:
    """Votes that nobody was asked for, since the first two have answered alike.

    Args:
        assigned: entity to the people before whom it was laid.
    """
    by_entity: dict[str, list[Vote]] = {}
    for vote in votes:
        by_entity.setdefault(vote.entity_id, []).append(vote)
    saved = 0
    for entity_id, people in assigned.items():
        said, first = by_entity.get(entity_id, []), set(first_annotators(entity_id, annotators))
        answered = first <= {vote.annotator for vote in said}
        if set(people) == first and answered and not needs_third(entity_id, annotators, said):
            saved += len(annotators) - FIRST
    return saved
