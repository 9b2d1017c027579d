"""A chat completion as a judgement."""

from __future__ import annotations

import json

from qreal_tasks.judge.pairs import Judgement
from qreal_tasks.models.openai_reading import read

TRUNCATED = "truncated"
MALFORMED = "malformed JSON"
NO_SCORE = "no score"
OUT_OF_RANGE = "out of range"


def judgement_of(completion: object) -> Judgement:
    """The score, or the reason why there is none.

    Nothing is guessed: a number in prose, in a code fence or in a string is no score. ``openai_reading`` names the
    reasons that are not of JSON: "refused", "content filter", "empty answer".

    Raises:
        MalformedAnswer: it is no chat completion.
    """
    response = read(completion, ())
    assert isinstance(completion, dict)  # read would have raised
    # An answer that was cut off may end before its first letter, or look whole: 0.7 of 0.75.
    if completion["choices"][0].get("finish_reason") == "length":
        return Judgement(None, TRUNCATED)
    if response.unanswered is not None:
        return Judgement(None, response.unanswered)
    return _score(response.text)


def _score(text: str) -> Judgement:
    """
    >>> _score('{"score": 0.75}')
    Judgement(score=0.75, reason=None)
    >>> _score('{"score": true}'), _score('{"score": 75}')
    (Judgement(score=None, reason='no score'), Judgement(score=None, reason='out of range'))
    """
    try:
        said = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return Judgement(None, MALFORMED)
    score = said.get("score") if isinstance(said, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float):
        return Judgement(None, NO_SCORE)
    if not 0 <= score <= 1:
        return Judgement(None, OUT_OF_RANGE)
    return Judgement(float(score))


def _refuse(constant: str) -> float:
    """Python reads NaN and Infinity, which JSON does not have."""
    raise ValueError(constant)
