"""Probabilities of the choices, from the log-probabilities of the token where the answer stands.

``logprobs.content`` lists every token that the model wrote, its reasoning and marks included, and for each the tokens
that were likely in its place. What counts is the one place where the text says what it commits itself to: reading any
other gives a number that looks like P and is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qreal_tasks.answers import find_answer_token
from qreal_tasks.text.token_text import decode_marks, normalise_token

NOT_GIVEN = "no log-probabilities came"
MALFORMED = "the log-probabilities are malformed"

_ROUNDING = 1e-2
"""By which the probabilities of a place, summed from rounded numbers, may exceed 1."""
_SAME_TOKEN = 1e-3
"""Difference of log-probabilities within which the token taken and a listed one of the same text are one. Others may
share a text: ``▁Yes`` and ``Yes`` are both shown as "Yes" by some servers."""


@dataclass(frozen=True)
class ChoiceProbabilities:
    """How probable each choice is at the token that answers, or why that is not known."""

    p: tuple[float, ...] | None = None
    """Normalised over the choices."""
    mass: float | None = None
    """What the listed spellings of all choices cover together, before normalising."""
    why_not: str | None = None


NO_PROBABILITIES = ChoiceProbabilities()
"""What belongs to an answer that is no choice."""


def sum_spellings(tokens: Iterable[tuple[str, float]], choices: Sequence[str]) -> ChoiceProbabilities:
    """Sum the probabilities of every spelling of each choice: blanks around a token and its case do not count.

    A choice that is not listed has probability 0: with twenty tokens listed, it is less likely than all of them.

    Args:
        tokens: text and natural log-probability, as ``top_logprobs`` lists them.

    >>> listed = [(" yes", math.log(0.5)), ("YES", math.log(0.1)), ("ĠNo", math.log(0.2)), ("The", math.log(0.1))]
    >>> found = sum_spellings(listed, ("Yes", "No"))
    >>> [round(x, 6) for x in found.p], round(found.mass, 6)
    ([0.75, 0.25], 0.8)
    """
    place = {choice.strip().casefold(): at for at, choice in enumerate(choices)}
    sums = [0.0] * len(choices)
    for token, logprob in tokens:
        at = place.get(normalise_token(token))
        if at is not None:
            sums[at] += math.exp(min(logprob, 0.0))
    mass = math.fsum(sums)
    if mass <= 0:
        return ChoiceProbabilities(why_not=MALFORMED)
    return ChoiceProbabilities(tuple(x / mass for x in sums), min(mass, 1.0))


def choice_probabilities(choice: Mapping[str, Any], text: str, choices: Sequence[str]) -> ChoiceProbabilities:
    """Probabilities of the choices at the token of ``text`` that answers.

    Args:
        choice: of a chat completion, with ``logprobs``.
        text: the message, as it is read.
    """
    entries = _entries(choice)
    if entries is None:
        return ChoiceProbabilities(why_not=NOT_GIVEN)
    found = find_answer_token([_bytes(entry) for entry in entries], text, choices)
    if found.place is None:
        return ChoiceProbabilities(why_not=found.why_not)
    listed = _listed(entries[found.place], choices)
    return ChoiceProbabilities(why_not=listed) if isinstance(listed, str) else sum_spellings(listed, choices)


def _entries(choice: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The tokens of the answer; None when the server lists none, or in another form than OpenAI's."""
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list) or not content:
        return None
    known = all(isinstance(entry, Mapping) and isinstance(entry.get("token"), str) for entry in content)
    return content if known else None


def _listed(entry: Mapping[str, Any], choices: Sequence[str]) -> list[tuple[str, float]] | str:
    """The tokens that were likely at a place, the one that was taken among them; or why they cannot be used.

    A token without a number does not matter where it is neither the one taken nor a choice.
    """
    among = entry.get("top_logprobs") or []
    if not isinstance(among, list):
        return MALFORMED
    needed = {normalise_token(_text(entry)), *(one.strip().casefold() for one in choices)}
    among = [one for one in among if not (_has_no_number(one) and normalise_token(_text(one)) not in needed)]
    logprobs = [_logprob(one) for one in (entry, *among)]
    if None in logprobs:
        return MALFORMED
    pairs = zip(map(_text, (entry, *among)), logprobs, strict=True)
    (own, taken), *others = [(text, logprob) for text, logprob in pairs if logprob is not None]
    listed = list(dict.fromkeys(others))
    if not any(own != text for text, _ in listed):
        return NOT_GIVEN  # only what was taken is told, not what else was likely
    total, alike = math.fsum(math.exp(p) for _, p in listed), [p for text, p in listed if text == own]
    # Where both would be more than 1, they are one token whose probability was told before and after sampling.
    once = alike and (min(abs(taken - p) for p in alike) <= _SAME_TOKEN or total + math.exp(taken) > 1 + _ROUNDING)
    if not once:
        listed.append((own, taken))
        total += math.exp(taken)
    return MALFORMED if total > 1 + _ROUNDING else listed


def _has_no_number(entry: object) -> bool:
    """Whether a token comes with null, a word or NaN, as servers write that it is impossible."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("token"), str):
        return False
    logprob = entry.get("logprob")
    return logprob is None or isinstance(logprob, str) or (isinstance(logprob, float) and math.isnan(logprob))


def _logprob(entry: object) -> float | None:
    """The log-probability of an entry; None for what is no entry, no number, or no logarithm of a probability."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("token"), str):
        return None
    logprob = entry.get("logprob")
    if isinstance(logprob, bool) or not isinstance(logprob, int | float) or not logprob <= _ROUNDING:
        return None
    return float(max(logprob, -9999.0))


def _text(entry: Mapping[str, Any]) -> str:
    return _bytes(entry).decode("utf-8", "replace")


def _bytes(entry: Mapping[str, Any]) -> bytes:
    """What the token says. ``bytes`` counts where it is given: a token may be a part of a character."""
    given = entry.get("bytes")
    try:
        raw = bytes(given) if isinstance(given, list) and given else str(entry["token"]).encode("utf-8", "replace")
    except (TypeError, ValueError):  # no bytes
        raw = str(entry["token"]).encode("utf-8", "replace")
    try:
        return decode_marks(raw.decode()).encode()
    except UnicodeDecodeError:
        return raw
