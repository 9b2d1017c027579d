"""What several people said of one entity, as one record.

- PENDING while somebody before whom the entity was laid has not answered, unless ``min_votes`` have.
- DROPPED when more than half of the votes drop it, for the most frequent reason (ties in the order of
  ``DROP_REASONS``). Exactly half: conflict.
- An answer is the majority of the votes that keep it; a tie is a conflict.
- The label is that of more than half of them, read without case and extra blanks; none: conflict.
- The box is the draft, to the last bit, when more than half of the boxes agree with it (IoU >= .9); else the
  coordinate-wise median of the largest group of boxes of which each agrees with each other (IoU >= .8), when that is
  more than half; else conflict.
- Descriptions and parts: ``annotation.verification.texts``. Flawed without any text is a conflict.
- A text that the machine drafted for a flaw, and that nobody touched, goes when the majority sees no flaw.
- An adjudicator's vote settles everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np

from annotation.verification.forms import Form, Parts
from annotation.verification.texts import TAKEN_AWAY, UNCHANGED, Chosen, chosen_text, plain, plain_label, said_anything
from annotation.verification.votes import DROP_REASONS, Vote
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES, Dimension, is_flawed, questions_of
from qreal_tasks.boxes import iou_matrix

LIKE_DRAFT_IOU = 0.9
LIKE_OTHER_IOU = 0.8
ADJUDICATED = "adjudicated"

Box = tuple[float, float, float, float]


class Conclusion(StrEnum):
    """What became of an entity."""

    PENDING = "pending"
    CONFLICT = "conflict"
    """Somebody must decide; ``Merged.conflicts`` says what."""
    DROPPED = "dropped"
    FINAL = "final"


@dataclass(frozen=True)
class Merged:
    """One entity; what is not settled is None."""

    entity_id: str
    state: Conclusion
    conflicts: tuple[str, ...]
    """In words, what is not settled."""
    drop: str | None
    label: str | None
    bbox_px: Box | None
    answers: Mapping[str, str | None]
    descriptions: Mapping[str, Chosen | None]
    """By dimension."""
    parts: Mapping[str, Chosen] | None
    """By body part; None where the portrait protocol was not applied."""
    adjudicated_by: str | None = None

    @property
    def part_texts(self) -> Parts | None:
        """What is wrong with each body part, or None."""
        return None if self.parts is None else {part: self.parts[part].text or None for part in BODY_PARTS}


def merge(
    form: Form, votes: Sequence[Vote], assigned: Collection[str], adjudicated: Vote | None, min_votes: int | None
) -> Merged:
    """The rules of this module.

    Args:
        votes: one a person, on this form; the adjudicator's is not among them.
        assigned: the people before whom it was laid.
        min_votes: how many are enough when some are missing; None waits for everybody.
    """
    ordered = sorted(votes, key=lambda vote: vote.annotator)
    if adjudicated is not None:
        return _settled(form, adjudicated)
    missing = set(assigned) - {vote.annotator for vote in ordered}
    if not ordered or (missing and (min_votes is None or len(ordered) < min_votes)):
        return _nothing(form, Conclusion.PENDING)
    dropping = [vote.drop for vote in ordered if vote.drop is not None]
    if 2 * len(dropping) > len(ordered):
        counted = Counter(dropping)
        reason = max(DROP_REASONS, key=lambda reason: counted[reason])  # the first of equals
        return _nothing(form, Conclusion.DROPPED, drop=reason)
    return _kept(form, ordered, len(dropping))


def unexplained(form: Form, merged: Merged) -> list[str]:
    """Dimensions in which people found a flaw that the machine had not, and left its text as it was: that text may say
    that nothing is wrong. Worth a look, and no conflict: it may describe the flaw all the same."""
    if merged.state != Conclusion.FINAL:
        return []
    answers = {name: answer for name, answer in merged.answers.items() if answer is not None}
    return [
        f"{dimension}_description: people found a flaw where the machine had none, and left its text"
        for dimension in Dimension
        if is_flawed(dimension, answers) and not is_flawed(dimension, form.answers)
        if (chosen := merged.descriptions[dimension]) is not None and chosen.rule == UNCHANGED
    ]


def _kept(form: Form, votes: Sequence[Vote], dropping: int) -> Merged:
    keepers = [vote for vote in votes if vote.drop is None]
    conflicts = []
    if 2 * dropping == len(votes):
        conflicts.append(f"drop: {dropping} of {len(votes)} votes drop it")
    answers = {name: _majority([_answers(vote)[name] for vote in keepers]) for name in QUESTION_NAMES}
    conflicts += [f"{name}: {_tally(keepers, name)}" for name in QUESTION_NAMES if answers[name] is None]
    label = majority_label(form, keepers)
    if label is None:
        conflicts.append(f"label: {', '.join(repr(vote.label) for vote in keepers)}")
    box = majority_box(form, keepers)
    if box is None:
        conflicts.append("box: no majority of boxes agrees")
    descriptions: dict[str, Chosen | None] = {}
    for dimension in Dimension:
        flawed = _verdict(dimension, answers)
        authors = deciding(dimension, keepers, flawed)
        if flawed is not None and not any(is_flawed(dimension, _answers(vote)) == flawed for vote in keepers):
            conflicts.append(f"{dimension}: the majorities say it is {'' if flawed else 'not '}flawed, and nobody does")
        drafted = form.descriptions[dimension]
        texts = {vote.annotator: vote.descriptions[dimension] for vote in authors}
        found = chosen_text(drafted, texts, agreement(dimension, authors, answers), needed=bool(flawed))
        if flawed is False and found.rule == UNCHANGED and is_flawed(dimension, form.answers):
            found = Chosen("", TAKEN_AWAY, found.sources)
        descriptions[str(dimension)] = found
        if flawed and not said_anything(found.text):
            conflicts.append(f"{dimension}_description: flawed in {dimension}, and nobody says why")
    state = Conclusion.CONFLICT if conflicts else Conclusion.FINAL
    parts = _parts(form, keepers, answers)
    return Merged(form.entity_id, state, tuple(conflicts), None, label, box, answers, descriptions, parts)


def _settled(form: Form, vote: Vote) -> Merged:
    by = vote.annotator
    if vote.drop is not None:
        return _nothing(form, Conclusion.DROPPED, drop=vote.drop, by=by)
    answers = dict(_answers(vote))
    conflicts = tuple(
        f"{dimension}_description: flawed in {dimension}, and the adjudicator does not say why"
        for dimension in Dimension
        if is_flawed(dimension, answers) and not said_anything(vote.descriptions[dimension])
    )
    conflicts += () if _area(vote.bbox_px) > 0 else ("box: the adjudicator's has no area",)
    conflicts += () if vote.label.strip() else ("label: the adjudicator's is empty",)
    chosen = {str(d): Chosen(vote.descriptions[d], ADJUDICATED, {by: vote.descriptions[d]}) for d in Dimension}
    said = vote.parts or {}
    parts = {part: Chosen(text := said.get(part) or "", ADJUDICATED, {by: text}) for part in BODY_PARTS}
    return Merged(
        form.entity_id,
        Conclusion.CONFLICT if conflicts else Conclusion.FINAL,
        conflicts,
        None,
        plain(vote.label),
        vote.bbox_px,
        answers,
        chosen,
        None if form.parts is None else parts,
        by,
    )


def _nothing(form: Form, state: Conclusion, drop: str | None = None, by: str | None = None) -> Merged:
    answers = dict.fromkeys(QUESTION_NAMES)
    return Merged(
        form.entity_id, state, (), drop, None, None, answers, {str(d): None for d in Dimension}, None, adjudicated_by=by
    )


def majority_label(form: Form, votes: Sequence[Vote]) -> str | None:
    """The draft as it stands when the majority means it, else the majority's most frequent spelling."""
    label = _majority([plain_label(vote.label) for vote in votes])
    if not label:
        return None
    if label == plain_label(form.label):
        return form.label
    spelt = Counter(plain(vote.label) for vote in votes if plain_label(vote.label) == label)
    return spelt.most_common(1)[0][0]


def majority_box(form: Form, votes: Sequence[Vote]) -> Box | None:
    """The draft's, a median, or None; as the module says."""
    boxes = [vote.bbox_px for vote in votes if _area(vote.bbox_px) > 0]
    if not boxes:
        return None
    like_draft = (iou_matrix(boxes, [form.bbox_px])[:, 0] >= LIKE_DRAFT_IOU).sum()
    if 2 * like_draft > len(votes):
        return form.bbox_px
    agree = iou_matrix(boxes, boxes)
    for size in range(len(boxes), len(votes) // 2, -1):
        groups = [
            group
            for group in combinations(range(len(boxes)), size)
            if all(agree[i, j] >= LIKE_OTHER_IOU for i, j in combinations(group, 2))
        ]
        if groups:
            closest = max(groups, key=lambda group: sum(agree[i, j] for i, j in combinations(group, 2)))
            x1, y1, x2, y2 = np.median([boxes[i] for i in closest], axis=0).tolist()
            return x1, y1, x2, y2
    return None


def deciding(dimension: Dimension, votes: Sequence[Vote], flawed: bool | None) -> list[Vote]:
    """The votes whose own verdict is the majority's; all of them when none is, or there is no majority."""
    found = [vote for vote in votes if is_flawed(dimension, _answers(vote)) == flawed]
    return found or list(votes)


def agreement(dimension: Dimension, votes: Sequence[Vote], answers: Mapping[str, str | None]) -> dict[str, int]:
    """Annotator to how many of the dimension's questions they answered as the majority did."""
    names = [question.name for question in questions_of(dimension)]
    return {vote.annotator: sum(_answers(vote)[name] == answers[name] for name in names) for vote in votes}


def _parts(form: Form, votes: Sequence[Vote], answers: Mapping[str, str | None]) -> dict[str, Chosen] | None:
    if form.parts is None:
        return None
    authors = deciding(Dimension.PLAUSIBILITY, votes, _verdict(Dimension.PLAUSIBILITY, answers))
    agreed = agreement(Dimension.PLAUSIBILITY, authors, answers)
    found = {}
    for part in BODY_PARTS:
        texts = {vote.annotator: (vote.parts or {}).get(part) or "" for vote in authors}
        empty = 2 * sum(not said_anything(text) for text in texts.values()) > len(texts)
        chosen = chosen_text(form.parts[part] or "", texts, agreed, needed=not empty)
        found[part] = Chosen("", "left empty by the majority", texts) if empty else chosen
    return found


def _verdict(dimension: Dimension, answers: Mapping[str, str | None]) -> bool | None:
    """None while a question of the dimension is tied."""
    if any(answers[question.name] is None for question in questions_of(dimension)):
        return None
    return is_flawed(dimension, {name: answer for name, answer in answers.items() if answer is not None})


def _majority(said: Sequence[str]) -> str | None:
    counted = Counter(said).most_common(1)
    return counted[0][0] if counted and 2 * counted[0][1] > len(said) else None


def _tally(votes: Sequence[Vote], name: str) -> str:
    counted = Counter(_answers(vote)[name] for vote in votes)
    return f"{counted['Yes']} Yes, {counted['No']} No"


def _answers(vote: Vote) -> Mapping[str, str]:
    assert vote.answers is not None  # it keeps the entity
    return vote.answers


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
