"""A pair of descriptions as a question to a judge, and how its answer is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from qreal_tasks.answers import extract_answer_text, parse_only_json
from qreal_tasks.judge.manifest import JudgeManifest
from qreal_tasks.judge.pairs import Judgement, Pair, unjudged
from qreal_tasks.judge.prompt import RESPONSE_FORMAT, render_messages
from qreal_tasks.llm.completions import read_completion
from qreal_tasks.llm.errors.retry import RetryDecision
from qreal_tasks.llm.options import RequestOptions

TRUNCATED = "truncated"
MALFORMED = "malformed JSON"
NO_SCORE = "no score"
OUT_OF_RANGE = "out of range"


@dataclass(frozen=True)
class PairQuestion:
    """One pair and the judge that is asked about it."""

    manifest: JudgeManifest
    judge_hash: str
    """``manifest.exact_hash``, which takes longer to compute than all that is done with a pair."""
    pair: Pair

    @cached_property
    def key(self) -> str:
        """SHA-256 over the judge's hash and both descriptions."""
        asked = [self.judge_hash, self.pair.predicted, self.pair.reference]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def messages(self) -> list[dict[str, Any]]:
        return render_messages(self.manifest, self.pair)

    def body(self, messages: list[dict[str, Any]], options: RequestOptions) -> Mapping[str, Any]:
        return options.body(self.manifest.model, messages, self.manifest.max_tokens, schema=RESPONSE_FORMAT)

    def read(self, completion: object) -> Judgement:
        return read_judgement(completion)

    def give_up(self, decision: RetryDecision) -> Judgement:
        return unjudged(decision.reason, decision.message)


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
    except ValueError:
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
