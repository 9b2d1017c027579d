"""Merges several people's votes on one entity into one record.

- PENDING while somebody who was asked about the entity has not answered, unless ``min_votes`` have.
- DROPPED when more than half of the votes drop it, for the most frequent reason (ties in the order of
  ``DROP_REASONS``). Exactly half: conflict.
- An answer is the majority of the votes that keep it; a tie is a conflict.
- The label is that of more than half of them, read without case and extra blanks; none: conflict.
- The box is the draft, to the last bit, when more than half of the boxes agree with it (IoU >= .9); else the
  coordinate-wise median of the largest group of boxes of which each agrees with each other (IoU >= .8), when that is
  more than half; else conflict.
- Descriptions and parts: ``annotation.merging.fields``. Flawed without any text is a conflict.
- A text that the machine drafted for a flaw, and that nobody touched, goes when the majority sees no flaw; body parts
  stay as people left them.
- The plausibility of a portrait is described by its verified parts: ``annotation.merging.parts``.
- An adjudicator's vote settles everything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from annotation.merging.fields import (
    ADJUDICATED,
    TAKEN_AWAY,
    UNCHANGED,
    Box,
    MergedText,
    box_area,
    collapse_blanks,
    describes_something,
    find_majority,
    majority_box,
    majority_label,
    merge_texts,
)
from annotation.merging.forms import DraftForm, Parts
from annotation.merging.parts import integrate_parts, part_texts
from annotation.merging.votes import DROP_REASONS, Vote
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES, Dimension, is_flawed, questions_of

PARTS_PREFIX = "parts."
"""What the names of fields begin with that are body parts."""
Answers = Mapping[str, str | None]
"""Question to the majority's answer, or None."""


class Conclusion(StrEnum):
    """What became of an entity."""

    PENDING = "pending"
    CONFLICT = "conflict"
    """Somebody must decide; ``MergedEntity.conflicts`` says what."""
    DROPPED = "dropped"
    FINAL = "final"


@dataclass(frozen=True)
class MergedEntity:
    """What the votes on one entity were merged into; what is not settled is None."""

    entity_id: str
    state: Conclusion
    conflicts: tuple[str, ...] = ()
    """What is not settled, in words."""
    drop: str | None = None
    label: str | None = None
    bbox_px: Box | None = None
    answers: Answers = field(default_factory=lambda: dict.fromkeys(QUESTION_NAMES))
    descriptions: Mapping[str, MergedText | None] = field(default_factory=lambda: {str(d): None for d in Dimension})
    """Dimension to its description."""
    parts: Mapping[str, MergedText] | None = None
    """Body part to what is wrong with it; None where the portrait protocol was not applied."""
    adjudicated_by: str | None = None

    @property
    def texts(self) -> dict[str, MergedText]:
        """Every text by the name of its field: ``realism_description``, ``parts.hands`` …"""
        descriptions = {f"{dimension}_description": text for dimension, text in self.descriptions.items()}
        parts = {f"{PARTS_PREFIX}{part}": text for part, text in (self.parts or {}).items()}
        return {name: text for name, text in {**descriptions, **parts}.items() if text is not None}

    @property
    def part_texts(self) -> Parts | None:
        """What is wrong with each body part, or None."""
        return None if self.parts is None else part_texts(self.parts)


def merge_votes(
    form: DraftForm, votes: Sequence[Vote], assigned: Collection[str], adjudicated: Vote | None, min_votes: int | None
) -> MergedEntity:
    """Merge the votes on one entity by the rules of this module.

    Args:
        votes: one a person, on this form; the adjudicator's is not among them.
        assigned: the people who were asked about it.
        min_votes: how many are enough when some are missing; None waits for everybody.
    """
    ordered = sorted(votes, key=lambda vote: vote.annotator)
    if adjudicated is not None:
        return _settle(form, adjudicated)
    missing = set(assigned) - {vote.annotator for vote in ordered}
    if not ordered or (missing and (min_votes is None or len(ordered) < min_votes)):
        return MergedEntity(form.entity_id, Conclusion.PENDING)
    dropping = [vote.drop for vote in ordered if vote.drop is not None]
    if 2 * len(dropping) > len(ordered):
        reason = max(DROP_REASONS, key=dropping.count)  # the first of equals
        return MergedEntity(form.entity_id, Conclusion.DROPPED, drop=reason)
    return _merge_keeping(form, ordered, len(dropping))


def find_unexplained_flaws(form: DraftForm, merged: MergedEntity) -> list[str]:
    """Find the dimensions in which people found a flaw that the machine had not, and left its text as it was.

    That text may say that nothing is wrong. Worth a look, and no conflict: it may describe the flaw all the same.
    """
    if merged.state != Conclusion.FINAL:
        return []
    answers = {name: answer for name, answer in merged.answers.items() if answer is not None}
    return [
        f"{dimension}_description: people found a flaw where the machine had none, and left its text"
        for dimension in Dimension
        if is_flawed(dimension, answers) and not is_flawed(dimension, form.answers)
        if (chosen := merged.descriptions[dimension]) is not None and chosen.rule == UNCHANGED
    ]


def _merge_keeping(form: DraftForm, votes: Sequence[Vote], dropping: int) -> MergedEntity:
    keepers = [vote for vote in votes if vote.drop is None]
    conflicts = []
    if 2 * dropping == len(votes):
        conflicts.append(f"drop: {dropping} of {len(votes)} votes drop it")
    given = {name: [_answers(vote)[name] for vote in keepers] for name in QUESTION_NAMES}
    answers = {name: find_majority(given[name]) for name in QUESTION_NAMES}
    tied = [name for name in QUESTION_NAMES if answers[name] is None]
    conflicts += [f"{name}: {given[name].count('Yes')} Yes, {given[name].count('No')} No" for name in tied]
    label = majority_label(form, keepers)
    if label is None:
        conflicts.append(f"label: {', '.join(repr(vote.label) for vote in keepers)}")
    box = majority_box(form, keepers)
    if box is None:
        conflicts.append("box: no majority of boxes agrees")
    parts = _merge_parts(form, keepers, answers)
    descriptions: dict[str, MergedText | None] = {}
    for dimension in Dimension:
        flawed = _verdict(dimension, answers)
        if flawed is not None and not any(is_flawed(dimension, _answers(vote)) == flawed for vote in keepers):
            conflicts.append(f"{dimension}: the majorities say it is {'' if flawed else 'not '}flawed, and nobody does")
        found = _merge_description(form, dimension, keepers, answers)
        if dimension is Dimension.PLAUSIBILITY and parts is not None:
            found = integrate_parts(form, parts, found)
        descriptions[str(dimension)] = found
        if flawed and not describes_something(found.text):
            conflicts.append(f"{dimension}_description: flawed in {dimension}, and nobody says why")
    state = Conclusion.CONFLICT if conflicts else Conclusion.FINAL
    return MergedEntity(form.entity_id, state, tuple(conflicts), None, label, box, answers, descriptions, parts)


def _merge_description(form: DraftForm, dimension: Dimension, keepers: Sequence[Vote], answers: Answers) -> MergedText:
    """The description of a dimension as people left it, not looking at body parts."""
    authors = _find_authors(dimension, keepers, answers)
    flawed = _verdict(dimension, answers)
    texts = {vote.annotator: vote.descriptions[dimension] for vote in authors.votes}
    merged = merge_texts(form.descriptions[dimension], texts, authors.agreement, needed=bool(flawed))
    if flawed is False and merged.rule == UNCHANGED and is_flawed(dimension, form.answers):
        return MergedText("", TAKEN_AWAY, merged.sources)
    return merged


def _merge_parts(form: DraftForm, keepers: Sequence[Vote], answers: Answers) -> dict[str, MergedText] | None:
    if form.parts is None:
        return None
    authors, merged = _find_authors(Dimension.PLAUSIBILITY, keepers, answers), {}
    for part in BODY_PARTS:
        texts = {vote.annotator: (vote.parts or {}).get(part) or "" for vote in authors.votes}
        merged[part] = merge_texts(form.parts[part] or "", texts, authors.agreement, needed=False)
    return merged


class _Authors(NamedTuple):
    """Whose texts on a dimension count."""

    votes: Sequence[Vote]
    """Those whose own verdict is the majority's; all votes when none is, or there is no majority."""
    agreement: Mapping[str, int]
    """Annotator to how many of the dimension's questions they answered as the majority did."""


def _find_authors(dimension: Dimension, keepers: Sequence[Vote], answers: Answers) -> _Authors:
    flawed, names = _verdict(dimension, answers), [question.name for question in questions_of(dimension)]
    votes = [vote for vote in keepers if is_flawed(dimension, _answers(vote)) == flawed] or keepers
    agreement = {one.annotator: sum(_answers(one)[name] == answers[name] for name in names) for one in votes}
    return _Authors(votes, agreement)


def _settle(form: DraftForm, vote: Vote) -> MergedEntity:
    """What an adjudicator's vote makes of an entity."""
    by = vote.annotator
    if vote.drop is not None:
        return MergedEntity(form.entity_id, Conclusion.DROPPED, drop=vote.drop, adjudicated_by=by)
    answers = dict(_answers(vote))
    texts = {str(d): MergedText(vote.descriptions[d], ADJUDICATED, {by: vote.descriptions[d]}) for d in Dimension}
    parts = None
    if form.parts is not None:
        written = vote.parts or {}
        parts = {part: MergedText(text := written.get(part) or "", ADJUDICATED, {by: text}) for part in BODY_PARTS}
        texts[Dimension.PLAUSIBILITY] = integrate_parts(form, parts, texts[Dimension.PLAUSIBILITY])
    conflicts = tuple(
        f"{dimension}_description: flawed in {dimension}, and the adjudicator does not say why"
        for dimension in Dimension
        if is_flawed(dimension, answers) and not describes_something(texts[dimension].text)
    )
    conflicts += () if box_area(vote.bbox_px) > 0 else ("box: the adjudicator's has no area",)
    conflicts += () if vote.label.strip() else ("label: the adjudicator's is empty",)
    state, label = Conclusion.CONFLICT if conflicts else Conclusion.FINAL, collapse_blanks(vote.label)
    return MergedEntity(form.entity_id, state, conflicts, None, label, vote.bbox_px, answers, texts, parts, by)


def _verdict(dimension: Dimension, answers: Answers) -> bool | None:
    """Whether the majority finds a flaw in the dimension; None while a question of it is tied."""
    if any(answers[question.name] is None for question in questions_of(dimension)):
        return None
    return is_flawed(dimension, {name: answer for name, answer in answers.items() if answer is not None})


def _answers(vote: Vote) -> Mapping[str, str]:
    assert vote.answers is not None  # it keeps the entity
    return vote.answers
