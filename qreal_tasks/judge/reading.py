"""A chat completion as a judgement."""

from __future__ import annotations

from typing import Any

from qreal_tasks.answers import extract_answer_text, parse_only_json
from qreal_tasks.judge.pairs import Judgement, unjudged
from qreal_tasks.llm.completions import read_completion

TRUNCATED = "truncated"
MALFORMED = "malformed JSON"
NO_SCORE = "no score"
OUT_OF_RANGE = "out of range"


def read_judgement(completion: object) -> Judgement:
    """The score, or the reason why there is none, with what was said instead.

    Nothing is guessed: a number in prose or in a string is no score, nor is an object with text around it.
    ``llm/completions.py`` names the reasons that are not of JSON: "refused", "content filter", "empty answer".

    Raises:
        MalformedAnswer: it is no chat completion, or one that did not end.
        StatusError: it holds an error.
    """
    answer = read_completion(completion)
    # An answer that was cut off may end before its first letter, or look whole: 0.7 of 0.75.
    if answer.is_cut_off:
        return unjudged(TRUNCATED, answer.text)
    if answer.unanswered is not None:
        return unjudged(answer.unanswered, answer.text)
    score = _score(answer.text)
    return unjudged(score, answer.text) if isinstance(score, str) else Judgement(score)


def _score(text: str) -> float | str:
    """The number, or the reason why there is none.

    >>> _score('{"score": 0.75}'), _score('{"score": true}'), _score('{"score": 75}')
    (0.75, 'no score', 'out of range')
    """
    try:
        reply = parse_only_json(extract_answer_text(text).text, _with_one_score)
    except (ValueError, RecursionError):
        return MALFORMED
    score = reply.get("score") if isinstance(reply, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float):
        return NO_SCORE
    return float(score) if 0 <= score <= 1 else OUT_OF_RANGE


def _with_one_score(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one that gives several scores gives none."""
    found = dict(pairs)
    if sum(key == "score" for key, _ in pairs) > 1:
        del found["score"]
    return found
