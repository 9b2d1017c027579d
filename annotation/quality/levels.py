"""Five levels as one number."""

from __future__ import annotations

from collections.abc import Sequence

WEIGHTS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Of ``annotation.llm.replies.LEVELS``: Excellent, Good, Fair, Poor, Bad."""


def mean_level(probabilities: Sequence[float]) -> float:
    """The mean level, 0 to 1: the sum of probability times weight.

    >>> score_of([0.5, 0.5, 0, 0, 0]), score_of([0, 0, 0, 0, 1])
    (0.875, 0.0)
    """
    found = sum(p * weight for p, weight in zip(probabilities, WEIGHTS, strict=True))
    return min(1.0, max(0.0, found))  # rounding may leave the range by a hair
