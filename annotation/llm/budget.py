"""Money: what has been spent, what is under way, and where to stop."""

from __future__ import annotations

from annotation.errors import AnnotationError
from annotation.llm.tokens import Tokens
from qreal_tasks.llm.usage import Prices


class Budget:
    """A limit on money: what is under way counts with its longest possible answer, so the run stops before it.

    Args:
        limit_usd: of the whole run, earlier programs included; None for no limit.
        spent_usd: by earlier programs.

    Raises:
        AnnotationError: there is a limit and no price.
    """

    def __init__(self, limit_usd: float | None, prices: Prices | None, spent_usd: float) -> None:
        if limit_usd is not None and prices is None:
            raise AnnotationError(
                "--max-cost needs prices: write `prices: {input: DOLLARS, output: DOLLARS}`, per million tokens, under "
                "`language_model:` into the run's config.yaml"
            )
        self._limit, self._prices = limit_usd, prices
        self.spent_usd, self._under_way_usd = spent_usd, 0.0
        self.calls_under_way = 0

    def cost(self, tokens: Tokens) -> float:
        """Dollars, nothing of it cached."""
        if self._prices is None:
            return 0.0
        return (tokens.prompt * self._prices.input + tokens.completion * self._prices.output) / 1e6

    def reserve(self, cost_usd: float) -> bool:
        """Whether a call of at most this cost still fits; if so, it counts as under way."""
        if self._limit is not None and self.spent_usd + self._under_way_usd + cost_usd > self._limit:
            return False
        self.add_under_way(cost_usd)
        return True

    def add_under_way(self, cost_usd: float) -> None:
        """Count a call that is under way, whether or not it fits: an earlier program sent it."""
        self._under_way_usd += cost_usd
        self.calls_under_way += 1

    def settle(self, reserved_usd: float, cost_usd: float) -> None:
        """A call has ended and cost so much."""
        self._under_way_usd -= reserved_usd
        self.calls_under_way -= 1
        self.spent_usd += cost_usd

    def stop_message(self) -> str:
        return (
            f"--max-cost {self._limit:g} is reached: ${self.spent_usd:.4f} spent, and the next call might exceed it. "
            "What is answered is kept; start again with a higher limit to go on."
        )
