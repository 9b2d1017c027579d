"""Whether one token is all of a model's answers: then no more is asked for, which is 1.25 to 1.4 times as fast."""

from __future__ import annotations

LEARNED_AFTER = 8
"""Answers that were a choice alone before one token is asked for."""
_MOST_MISSES = 0.1
"""Share of answers that need to be asked again in full; above it, asking in full at once is cheaper."""


class OneToken:
    """Learns from whole answers, and goes on learning from answers of one token.

    What is stored does not depend on when it was learned, so a run that died and goes on ends like one that did not:
    a choice alone is stored as its word whatever the limit was ("Yes" for "Yes."), and an answer whose first token is
    no choice is asked again in full. Only a model that mostly gives a bare choice and now and then goes on behind it
    ("Yes, because …") can have either text stored, "Yes" or the whole one; P is the same. Once such an answer is
    seen, all are asked for in full.
    """

    def __init__(self) -> None:
        self._hits = self._misses = 0
        self._goes_on = False

    @property
    def is_enough(self) -> bool:
        """Whether to ask for one token."""
        few_misses = self._misses <= _MOST_MISSES * (self._hits + self._misses)
        return not self._goes_on and self._hits >= LEARNED_AFTER and few_misses

    def saw(self, at_once: bool, begins: bool) -> None:
        """Take an answer into account.

        Args:
            at_once: it was a choice alone, written as its first token.
            begins: its first token was a choice.
        """
        self._hits += at_once
        self._misses += not at_once
        self._goes_on |= begins and not at_once
