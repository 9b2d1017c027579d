"""Limits and prices of OpenAI's Batch API."""

from __future__ import annotations

from dataclasses import dataclass

from qreal_tasks.llm.arguments import check
from qreal_tasks.llm.usage import Prices

PRICE_FACTOR = 0.5
"""Of a batch against live requests: https://platform.openai.com/docs/guides/batch, "50% cost discount"."""
MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
"""Of one file, both from the same page."""


@dataclass(frozen=True)
class BatchLimits:
    """Size of one batch, and how often batches are looked at.

    Raises:
        ValueError: a limit that no batch can have.
    """

    poll_s: float = 60.0
    """Between two looks at the batches, and between two attempts at a step that failed."""
    max_requests: int = MAX_REQUESTS
    max_bytes: int = MAX_BYTES

    def __post_init__(self) -> None:
        check(self.poll_s >= 0, "poll_s", self.poll_s, "0 or more")
        check(1 <= self.max_requests <= MAX_REQUESTS, "max_requests", self.max_requests, f"1 to {MAX_REQUESTS}")
        check(1 <= self.max_bytes <= MAX_BYTES, "max_bytes", self.max_bytes, f"1 to {MAX_BYTES}")


def batch_prices(prices: Prices) -> Prices:
    """What the same tokens cost in a batch."""
    cached = prices.cached_input
    return Prices(
        prices.input * PRICE_FACTOR, prices.output * PRICE_FACTOR, None if cached is None else cached * PRICE_FACTOR
    )
