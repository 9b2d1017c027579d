"""What a judge is asked and what it answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from qreal_tasks.text.one_line import one_line
from qreal_tasks.text.redaction import redact

MOST_SAID = 100
"""Characters of what came instead of a score, as records keep it."""
_MOST_READ = 4_000


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
    text: str = field(default="", compare=False, repr=False)
    """What came instead of a score, on one short line: what the judge wrote, or its server's message."""


def unjudged(reason: str, text: str = "") -> Judgement:
    """A pair without a score.

    Args:
        reason: in words that are the same for every pair of the kind.
        text: what came instead, as long as it is.

    >>> unjudged("no score", '{"grade":\\n 7}').text
    '{"grade": 7}'
    """
    return Judgement(None, redact(reason), one_line(redact(text[:_MOST_READ]), MOST_SAID))


def pair_texts(predicted: str | Iterable[str], reference: str | Iterable[str]) -> list[Pair]:
    """One pair of two texts, or as many as there are of each.

    Raises:
        ValueError: one text and several, not as many of the one as of the other, or something that is no text.
    """
    sides = {"predicted": predicted, "reference": reference}
    texts = {name: [side] if isinstance(side, str) else list(side) for name, side in sides.items()}
    if isinstance(predicted, str) != isinstance(reference, str) or len(texts["predicted"]) != len(texts["reference"]):
        found = ", ".join(f"{len(some)} {name}" for name, some in texts.items())
        raise ValueError(f"{found}: expected two texts, or as many of the one as of the other")
    for name, some in texts.items():
        for at, text in enumerate(some):
            if not isinstance(text, str):
                raise ValueError(f"{name} {at} is {text!r:.60}, expected a text; leave out what has none")
    return [Pair(*pair) for pair in zip(*texts.values(), strict=True)]
