"""The reward as Flow-GRPO and its forks take one: a factory of functions of images, prompts and metadata."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from qreal_tasks.benchmark import Dimension
from qreal_tasks.screening.reward.adapters.choosing import choose_reward
from qreal_tasks.screening.reward.adapters.unanswered import Unanswered, as_numbers

Score = Callable[[Any, Sequence[str] | None, Any], tuple[list[float], dict[str, list[float]]]]
"""``(images, prompts, metadata) -> (scores, details)``."""


def make_factory(
    model: Any, *, unanswered: Unanswered | str = Unanswered.ERROR, **options: Any
) -> Callable[..., Score]:
    """A factory for the table of reward functions, where it stands under a name that the config weights::

        score_functions["qreal"] = make_factory("http://127.0.0.1:8000", unanswered="mean")

    The factory takes the trainer's device, and gives a function that takes a tensor N x C x H x W in 0 to 1 or an array
    N x H x W x C of uint8, the prompts, and the metadata, which it does not use. It returns the scores, and for the log
    the rewards of both dimensions.

    Args:
        model: a reward, the address of ``qreal serve``, or a model that every process loads on its device.
        unanswered: what stands for a picture without a reward: ``error``, ``nan`` or ``mean``.
        options: of the reward.
    """
    rule = Unanswered(unanswered)

    def make_score(device: Any = None) -> Score:
        reward = choose_reward(model, device, **options)

        def score(
            images: Any, prompts: Sequence[str] | None = None, metadata: Any = None
        ) -> tuple[list[float], dict[str, list[float]]]:
            found = reward(images, prompts)
            details = {f"qreal_{one}": [_or_nan(each.dimensions[one]) for each in found] for one in Dimension}
            return as_numbers(found, rule), details

        return score

    return make_score


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
