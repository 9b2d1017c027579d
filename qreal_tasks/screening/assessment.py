"""What a model's answers about a picture mean: probabilities of a flaw, and which entity matters most.

Everything in ``qreal_tasks.screening`` takes its numbers from here: tables, pages, thresholds, rewards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from qreal_tasks.api.findings import Box, EntityFindings, PictureFindings, QuestionAnswer
from qreal_tasks.benchmark import Dimension, question, questions_of

_E = TypeVar("_E")


class Weighting(StrEnum):
    """How the size of an entity weighs in its importance."""

    AREA = "area"
    """Share of the image that its box covers."""
    SIDE = "side"
    """Square root of that share: a small entity counts for more than under ``AREA``."""
    EQUAL = "equal"
    """All entities alike."""


@dataclass(frozen=True)
class EntityAssessment:
    """One entity of a picture, in numbers."""

    label: str
    box_px: Box
    answers: Mapping[str, QuestionAnswer]
    """By the names of the six questions."""
    p_question: Mapping[str, float | None]
    """Question to the probability that its answer reports a flaw; None when it was not answered."""
    p_flaw: Mapping[Dimension, float | None]
    """Dimension to the probability that the entity is flawed in it; None when no question of it was answered."""
    reasons: Mapping[str, str]
    """ImageQA set to what the model says is wrong."""
    importance: float | None
    """From 0 to 1: the probability of a flaw in either dimension, weighted by the entity's share of the image."""
    found_by: tuple[str, ...]
    """What its box comes from: "given", "detect", or ImageQA sets."""


@dataclass(frozen=True)
class ImageAssessment:
    """One picture, in numbers."""

    width: int
    height: int
    entities: tuple[EntityAssessment, ...]
    """The most important first; those without importance last."""
    p_flaw: Mapping[Dimension, float | None]
    """Dimension to the probability that some entity is flawed in it; 0 for a picture in which the model found no
    entity, None when that cannot be told."""
    p_question: Mapping[str, float | None]
    """The same by question."""
    unread: Mapping[str, str]
    """What was not answered and why, as ``PictureFindings.unread``."""

    @property
    def severity(self) -> float | None:
        """The probability of a flaw in either dimension; None when no dimension could be told."""
        return any_of(self.p_flaw.values())

    @property
    def answered(self) -> bool:
        """Whether both dimensions could be told."""
        return None not in self.p_flaw.values()


def any_of(probabilities: Iterable[float | None]) -> float | None:
    """The probability that at least one of several independent things is so.

    Those that are unknown (None) are left out; None when all are.

    >>> any_of([0.5, None, 0.5])
    0.75
    """
    known = [one for one in probabilities if one is not None]
    return 1 - math.prod(1 - one for one in known) if known else None


def assess(findings: PictureFindings, weighting: Weighting = Weighting.AREA) -> ImageAssessment:
    """Turn what a model said about a picture into probabilities of flaws.

    A question's probability is P(Yes) or P(No), whichever reports a flaw; for an answer without P it is 1 or 0. An
    entity is flawed in a dimension when some answer of that dimension reports it, a picture when some entity is: both
    as if they were independent (``any_of``).
    """
    width, height = findings.image.size
    entities = [_assess_entity(one, (width, height), weighting) for one in findings.entities]
    lost = any(one.reason is not None for one in findings.image_answers.values())  # some entities may be missing
    order = sort_by_importance(entities, lambda one: one.importance)
    return ImageAssessment(
        width,
        height,
        tuple(order),
        {one: _any_of_picture([entity.p_flaw[one] for entity in entities], lost) for one in Dimension},
        {
            each.name: _any_of_picture([entity.p_question[each.name] for entity in entities], lost)
            for one in Dimension
            for each in questions_of(one)
        },
        findings.unread,
    )


def importance_of(
    p: float | None, box_px: Sequence[float], size: tuple[int, int], weighting: Weighting
) -> float | None:
    """How much an entity matters, from 0 to 1: the probability that it is flawed, weighted by its share of the image.

    Args:
        p: of a flaw in either dimension; None where it is unknown, and so is the importance.
        size: width and height of the image.

    >>> importance_of(0.5, (0, 0, 10, 10), (20, 20), Weighting.AREA)
    0.125
    """
    if p is None:
        return None
    x1, y1, x2, y2 = box_px
    share = min(1.0, max(0.0, (x2 - x1) * (y2 - y1) / (size[0] * size[1])))
    return p * {Weighting.AREA: share, Weighting.SIDE: math.sqrt(share), Weighting.EQUAL: 1.0}[weighting]


def sort_by_importance(entities: Iterable[_E], importance: Callable[[_E], float | None]) -> list[_E]:
    """The most important first; those without importance last; equal ones in their order."""

    def key(one: _E) -> float:
        found = importance(one)
        return -1.0 if found is None else found

    return sorted(entities, key=key, reverse=True)


def _assess_entity(entity: EntityFindings, size: tuple[int, int], weighting: Weighting) -> EntityAssessment:
    p_question = {name: _p_defect(name, one) for name, one in entity.answers.items()}
    p_flaw = {one: any_of(p_question.get(each.name) for each in questions_of(one)) for one in Dimension}
    return EntityAssessment(
        entity.label,
        entity.box_px,
        entity.answers,
        p_question,
        p_flaw,
        entity.descriptions,
        importance_of(any_of(p_flaw.values()), entity.box_px, size, weighting),
        entity.found_by,
    )


def _p_defect(name: str, answer: QuestionAnswer) -> float | None:
    defect = question(name).defect
    if answer.answer is None:
        return None
    if answer.p_yes is None:
        return float(answer.answer == defect)
    return answer.p_yes if defect == "Yes" else 1 - answer.p_yes


def _any_of_picture(probabilities: list[float | None], lost: bool) -> float | None:
    """None when something is unknown that could change the result: an entity's answer, or which entities there are."""
    if lost or None in probabilities:
        return None
    return any_of(probabilities) if probabilities else 0.0
