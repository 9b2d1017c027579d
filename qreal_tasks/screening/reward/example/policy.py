"""Five probabilities that are learnt from rewards alone, by the rule of GRPO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class HabitPolicy:
    """How often a generator shows each of its habits; its parameters are the logits.

    Args:
        habits: how many there are.
        start: the probability of each at the start.
        rate: of learning.
    """

    def __init__(self, habits: int, start: float = 0.3, rate: float = 3.0) -> None:
        self.logits = np.full(habits, np.log(start / (1 - start)))
        self._rate = rate

    @property
    def p(self) -> NDArray[np.float64]:
        """The probability of each habit."""
        return np.asarray(1 / (1 + np.exp(-self.logits)))

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """So many choices: a row for each, a column for each habit."""
        return rng.random((count, len(self.logits))) < self.p

    def learn(self, choices: NDArray[np.bool_], rewards: ArrayLike) -> None:
        """One step up the gradient of the mean reward, with advantages that are standardised within each group.

        Args:
            choices: groups x members x habits; a group is one prompt.
            rewards: groups x members; NaN for a member that had no answer, which is left out.
        """
        advantages = standardise_groups(rewards)
        known = ~np.isnan(advantages)
        if not known.any():
            return
        # The logarithm of a Bernoulli probability has the derivative (choice - p) by its logit.
        gradient = (advantages[..., None] * (choices - self.p))[known].mean(axis=0)
        self.logits = self.logits + self._rate * gradient


def standardise_groups(rewards: ArrayLike) -> NDArray[np.float64]:
    """Rewards minus the mean of their group, over its standard deviation; 0 in a group whose rewards are equal.

    >>> standardise_groups([[0.2, 0.4], [0.5, 0.5]]).round(3).tolist()
    [[-1.0, 1.0], [0.0, 0.0]]
    """
    values = np.asarray(rewards, dtype=np.float64)
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, values, 0).sum(axis=1, keepdims=True) / count
    spread = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(axis=1, keepdims=True) / count)
    return np.asarray((values - mean) / np.where(spread > 1e-6, spread, np.inf))
