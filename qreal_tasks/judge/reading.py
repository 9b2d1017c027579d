"""A chat completion as a judgement."""

from __future__ import annotations

from typing import Any

from qreal_tasks.answers import extract_answer_text, parse_only_json
from qreal_tasks.judge.pairs import Judgement, unjudged
from qreal_tasks.llm.completions import is_cut_off, read

TRUNCATED = "truncated"
MALFORMED = "malformed JSON"
NO_SCORE = "no score"
OUT_OF_RANGE = "out of range"


def judgement_of(completion: object) -> Judgement:
    """The score, or the reason why there is none, with what was said instead.

    Nothing is guessed: a number in prose or in a string is no score, nor is an object with text around it.
    ``openai_reading`` names the reasons that are not of JSON: "refused", "content filter", "empty answer".

    Raises:
        MalformedAnswer: it is no chat completion, or one that did not end.
        StatusError: it holds an error.
    """
    response = read(completion, ())
    # An answer that was cut off may end before its first letter, or look whole: 0.7 of 0.75.
    if is_cut_off(completion):
        return unjudged(TRUNCATED, response.text)
    if response.unanswered is not None:
        return unjudged(response.unanswered, response.text)
    score = _score(response.text)
    return unjudged(score, response.text) if isinstance(score, str) else Judgement(score)


def _score(text: str) -> float | str:
    """The number, or the reason why there is none.

    >>> _score('{"score": 0.75}'), _score('{"score": true}'), _score('{"score": 75}')
    (0.75, 'no score', 'out of range')
    """
    try:
        said = parse_only_json(extract_answer_text(text).text, _with_one_score)
    except (ValueError, RecursionError):
        return MALFORMED
    score = said.get("score") if isinstance(said, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float):
        return NO_SCORE
    return float(score) if 0 <= score <= 1 else OUT_OF_RANGE


def _with_one_score(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one that gives several scores gives none."""
    found = dict(pairs)
    if sum(key == "score" for key, _ in pairs) > 1:
        del found["score"]
    return found
