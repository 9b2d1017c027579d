"""The reward of one picture, as a record: a number, and what it is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from qreal_tasks.api.findings import QuestionAnswer
from qreal_tasks.benchmark import QUESTION_NAMES, Dimension
from qreal_tasks.screening.assessment import EntityAssessment, ImageAssessment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qreal_tasks.screening.calibration.record import Calibrate


@dataclass(frozen=True)
class ImageReward:
    """What a picture is worth to whoever trains a generator; every reward is from 0 to 1, and 1 is without a flaw."""

    reward: float | None
    """The mean over the two dimensions of the probability that the picture has no flaw in it; None when the model's
    answers leave either open, with the reasons in ``unread``."""
    dimensions: Mapping[Dimension, float | None]
    """Dimension to the probability that the picture has no flaw in it; calibrated where the reward is."""
    questions: Mapping[str, float | None]
    """The same by question; like all of ``entities``, as the model gives it: calibration is of whole pictures."""
    entities: tuple[EntityAssessment, ...]
    """The most important first: label, box, answers, probabilities of a flaw, importance, reasons."""
    width: int
    height: int
    unread: Mapping[str, str]
    """What was not answered and why."""
    map: NDArray[np.float32] | None = field(default=None, compare=False)
    """``draw_reward_map``, when it was asked for; None also where ``reward`` is None."""

    @classmethod
    def from_assessment(cls, found: ImageAssessment, calibrate: Calibrate | None = None) -> Self:
        """The reward of a picture that was assessed."""
        p_flaw = {one: p if p is None or calibrate is None else calibrate(p, one) for one, p in found.p_flaw.items()}
        dimensions = {one: _complement(p) for one, p in p_flaw.items()}
        known = [one for one in dimensions.values() if one is not None]
        return cls(
            sum(known) / len(known) if len(known) == len(dimensions) else None,
            dimensions,
            {name: _complement(p) for name, p in found.p_question.items()},
            found.entities,
            found.width,
            found.height,
            found.unread,
        )

    @classmethod
    def without(cls, size: tuple[int, int], reason: str) -> Self:
        """The record of a picture that the model was asked about in vain, as a whole."""
        width, height = size
        return cls(None, dict.fromkeys(Dimension), dict.fromkeys(QUESTION_NAMES), (), width, height, {"image": reason})

    def with_map(self) -> Self:
        """The same with its map."""
        from qreal_tasks.screening.reward.spatial_map import draw_reward_map

        if self.reward is None:
            return self
        return dataclasses.replace(self, map=draw_reward_map(self.width, self.height, self.entities))

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON holds; without the map."""
        plain = dataclasses.asdict(dataclasses.replace(self, map=None))
        del plain["map"]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The record that ``to_dict`` was made of.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        return cls(
            plain["reward"],
            {Dimension(name): value for name, value in plain["dimensions"].items()},
            dict(plain["questions"]),
            tuple(_read_entity(one) for one in plain["entities"]),
            plain["width"],
            plain["height"],
            dict(plain["unread"]),
        )


def _complement(p: float | None) -> float | None:
    return None if p is None else 1 - p


def _read_entity(plain: Mapping[str, Any]) -> EntityAssessment:
    x1, y1, x2, y2 = plain["box_px"]
    return EntityAssessment(
        plain["label"],
        (x1, y1, x2, y2),
        {name: QuestionAnswer(**answer) for name, answer in plain["answers"].items()},
        dict(plain["p_question"]),
        {Dimension(name): p for name, p in plain["p_flaw"].items()},
        dict(plain["reasons"]),
        plain["importance"],
        tuple(plain["found_by"]),
    )
