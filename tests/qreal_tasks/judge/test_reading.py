"""Every kind of answer is a score or has a reason of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from scripted_openai import Reply, completion

from qreal_tasks.judge.pairs import Judgement
from qreal_tasks.judge.reading import judgement_of
from qreal_tasks.models.openai_http import MalformedAnswer


@pytest.mark.parametrize(
    ("text", "score"),
    [
        pytest.param('{"score": 0.75}', 0.75, id="anchor"),
        pytest.param('{"score": 0}', 0.0, id="lowest"),
        pytest.param('{"score": 1}', 1.0, id="highest"),
        pytest.param(' {\n"score":\t1e-1 } ', 0.1, id="blanks and exponent"),
        pytest.param('{"why": "same hand", "score": 0.5}', 0.5, id="more than asked for"),
    ],
)
def test_scores(text: str, score: float) -> None:
    found = judgement_of(completion(text).body)
    assert found == Judgement(score)
    assert isinstance(found.score, float)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        pytest.param(completion(None, refusal="I cannot."), "refused", id="refusal"),
        pytest.param(completion(None, finish_reason="content_filter"), "content filter", id="filter"),
        pytest.param(completion('{"score": 0.', finish_reason="length"), "truncated", id="cut off"),
        pytest.param(completion('{"score": 0.7}', finish_reason="length"), "truncated", id="cut off, looks whole"),
        pytest.param(completion("", finish_reason="length"), "truncated", id="nothing before the limit"),
        pytest.param(completion(""), "empty answer", id="empty"),
        pytest.param(completion("0.75 of 1"), "malformed JSON", id="prose"),
        pytest.param(completion('```json\n{"score": 0.75}\n```'), "malformed JSON", id="fence"),
        pytest.param(completion('{"score": 0.75} I hope it helps'), "malformed JSON", id="prose behind"),
        pytest.param(completion('{"score": NaN}'), "malformed JSON", id="NaN"),
        pytest.param(completion('{"score": Infinity}'), "malformed JSON", id="infinity"),
        pytest.param(completion('{"score": ' + "9" * 5000 + "}"), "malformed JSON", id="endless number"),
        pytest.param(completion("[" * 100_000), "malformed JSON", id="endless depth"),
        pytest.param(completion('{"Score": 0.75}'), "no score", id="other key"),
        pytest.param(completion("0.75"), "no score", id="bare number"),
        pytest.param(completion("[0.75]"), "no score", id="list"),
        pytest.param(completion('{"score": "0.75"}'), "no score", id="string"),
        pytest.param(completion('{"score": true}'), "no score", id="boolean"),
        pytest.param(completion('{"score": null}'), "no score", id="null"),
        pytest.param(completion('{"score": 1.01}'), "out of range", id="above"),
        pytest.param(completion('{"score": -0.25}'), "out of range", id="below"),
        pytest.param(completion('{"score": 75}'), "out of range", id="per cent"),
        pytest.param(completion('{"score": 1e999}'), "out of range", id="overflow"),
    ],
)
def test_reasons(reply: Reply, reason: str) -> None:
    assert judgement_of(reply.body) == Judgement(None, reason)


@pytest.mark.parametrize("body", [[], {}, {"choices": []}, {"choices": [{"message": {"content": 1}}]}])
def test_no_completion(body: Mapping[str, Any]) -> None:
    with pytest.raises(MalformedAnswer):
        judgement_of(body)
