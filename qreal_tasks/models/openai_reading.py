"""A chat completion as a ``Response``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from qreal_tasks.models.openai_http import MalformedAnswer, writable
from qreal_tasks.models.openai_retry import CONTENT_FILTER
from qreal_tasks.models.requests import Response

REFUSED = "refused"
EMPTY = "empty answer"
OUT_OF_TOKENS = "used up its tokens before answering"
"""A model that reasons first spent the whole limit on that: a matter of settings and no decision of the model."""


@dataclass(frozen=True)
class Covered:
    """Probabilities of the choices at one token."""

    p: tuple[float, ...] | None
    """Normalised over the choices; None when none of them is among the listed tokens."""
    mass: float
    """What the listed spellings of all choices cover together, before normalising."""


def covered(tokens: Iterable[tuple[str, float]], choices: tuple[str, ...]) -> Covered:
    """Sum the probabilities of every spelling of each choice: blanks around a token and its case do not count.

    A choice that is not listed has probability 0: with twenty tokens listed, it is less likely than all of them.

    Args:
        tokens: text and natural log-probability, as ``top_logprobs`` lists them.

    >>> import math
    >>> listed = [(" yes", math.log(0.5)), ("YES", math.log(0.1)), ("No", math.log(0.2)), ("The", math.log(0.1))]
    >>> p, mass = covered(listed, ("Yes", "No")).p, covered(listed, ("Yes", "No")).mass
    >>> [round(x, 6) for x in p], round(mass, 6)
    ([0.75, 0.25], 0.8)
    """
    place = {choice.strip().casefold(): at for at, choice in enumerate(choices)}
    sums = [0.0] * len(choices)
    for token, logprob in tokens:
        at = place.get(token.strip().casefold())
        if at is not None and not math.isnan(logprob):
            sums[at] += math.exp(min(logprob, 0.0))
    mass = math.fsum(sums)
    return Covered(tuple(x / mass for x in sums) if mass > 0 else None, mass)


def read(completion: object, choices: tuple[str, ...]) -> Response:
    """The answer, its probabilities when ``choices`` are scored and the server gives them, or why there is none.

    An answer cut off at the token limit keeps its text. Log-probabilities of another form than OpenAI's count as none.

    Args:
        completion: the JSON value that the server sent.

    Raises:
        MalformedAnswer: it is no chat completion.
    """
    choice = _only_choice(completion)
    message, finished = choice.get("message"), choice.get("finish_reason")
    if isinstance(finished, str) and finished.startswith("content_filter"):
        said = message.get("content") if isinstance(message, dict) else None  # a filter may take the whole message out
        return Response(writable(said) if isinstance(said, str) else "", choices, unanswered=CONTENT_FILTER)
    if not isinstance(message, dict):
        raise MalformedAnswer(f"no choices[0].message in {str(completion)[:80]!r}")
    text = _text_of(message.get("content"))
    if message.get("refusal"):
        return Response(_text_of(message["refusal"]), choices, unanswered=REFUSED)
    if finished == "length" and not text:
        return Response("", choices, unanswered=OUT_OF_TOKENS)
    listed = first_token(completion) if choices else None
    if listed is not None:
        found = covered(listed, choices)
        if text or found.p is not None:
            return Response(text, choices, p=found.p, mass=found.mass)
    return Response(text, choices, unanswered=None if text else EMPTY)


def first_token(completion: object) -> list[tuple[str, float]] | None:
    """Tokens and log-probabilities listed for the first place of the answer; None when there are none to be read."""
    logprobs = _only_choice(completion).get("logprobs")
    if not isinstance(logprobs, dict) or not logprobs.get("content"):
        return None
    try:
        listed = logprobs["content"][0].get("top_logprobs") or ()
        return [(str(token["token"]), float(token["logprob"])) for token in listed] or None
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None


def _only_choice(completion: object) -> dict[str, Any]:
    choices = completion.get("choices") if isinstance(completion, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise MalformedAnswer(f"no choices[0] in {str(completion)[:80]!r}")
    return choice


def _text_of(content: object) -> str:
    """A string, or the text among the parts that some servers send: ``[{"type": "text", "text": "Yes"}]``."""
    if content is None or isinstance(content, str):
        return writable(content or "")
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        texts = [part.get("text") for part in content if part.get("type") == "text"]
        if all(isinstance(text, str) for text in texts):
            return writable("".join(texts))
    raise MalformedAnswer(f"the message is {str(content)[:80]}, expected a string or parts with text")
