"""What a judge is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """Two descriptions of the flaws of one entity."""

    predicted: str
    reference: str


@dataclass(frozen=True)
class Judgement:
    """What came of one pair. A pair without a score is unjudged, which is never 0."""

    score: float | None
    """0 to 1."""
    reason: str | None = None
    """Why there is no score, in few words that are the same for every pair of the kind."""
