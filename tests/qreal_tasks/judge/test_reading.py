"""Every kind of answer is a score or has a reason of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from qreal_tasks.judge.pairs import Judgement
from qreal_tasks.judge.question import read_judgement
from qreal_tasks.llm.errors.messages import MalformedAnswer
from qreal_tasks.llm.scripted_server import Reply, completion


@pytest.mark.parametrize(
    ("text", "score"),
    [
        pytest.param('{"score": 0.75}', 0.75, id="anchor"),
        pytest.param('{"score": 0}', 0.0, id="lowest"),
        pytest.param('{"score": 1}', 1.0, id="highest"),
        pytest.param(' {\n"score":\t1e-1 } ', 0.1, id="blanks and exponent"),
        pytest.param('{"why": "same hand", "score": 0.5}', 0.5, id="more than asked for"),
        pytest.param('```json\n{"score": 0.75}\n```', 0.75, id="fence"),
        pytest.param('```json {"score": 0.75} ```', 0.75, id="fence on one line"),
        pytest.param('```\n{\n "score": 0.75\n}\n```\n', 0.75, id="fence without a language"),
        pytest.param('~~~~JSON\n{"score": 0.75}\n~~~~', 0.75, id="fence of tildes"),
        pytest.param('`{"score": 0.75}`', 0.75, id="code in a line"),
        pytest.param('```json\n{"why": "a ``` in it", "score": 0.75}\n```', 0.75, id="fence inside a string"),
        pytest.param('<think>Alike, so 0.2?</think>{"score": 0.75}', 0.75, id="behind reasoning"),
        pytest.param('Alike, {"score": 0.2}?</think>\n{"score": 0.75}', 0.75, id="behind reasoning without an opening"),
        pytest.param('<think>Alike.</think>\n```json\n{"score": 0.75}\n```', 0.75, id="reasoning, then a fence"),
        pytest.param('{"score": 0.75}<|im_end|>', 0.75, id="token at the end"),
        pytest.param('{"score": 0.75} <|eot_id|>\n<|endoftext|>', 0.75, id="several tokens"),
        pytest.param('{"score": 0.75}</s>', 0.75, id="Llama's token"),
        pytest.param('{"score": 0.75}<｜end▁of▁sentence｜>', 0.75, id="DeepSeek's token"),
        pytest.param('```json\n{"score": 0.75}\n```<end_of_turn>', 0.75, id="fence, then a token"),
        pytest.param('\ufeff{"score": 0.75}', 0.75, id="byte order mark"),
        pytest.param('{"parts": {"score": 0.1}, "score": 0.75}', 0.75, id="another score further in"),
    ],
)
def test_scores(text: str, score: float) -> None:
    found = read_judgement(completion(text).body)
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
        pytest.param(completion('{"score": 0.75} I hope it helps'), "malformed JSON", id="prose behind"),
        pytest.param(completion('Here is my evaluation: {"score": 0.75}'), "malformed JSON", id="prose before"),
        pytest.param(completion('Sure!\n```json\n{"score": 0.75}\n```'), "malformed JSON", id="prose, then a fence"),
        pytest.param(completion('```\n{"score": 0.75}\n``` Hope it helps'), "malformed JSON", id="fence, then prose"),
        pytest.param(completion('```json\n{"score": 0.75}'), "malformed JSON", id="fence that stays open"),
        pytest.param(completion('```json\n{"score": 0.7'), "malformed JSON", id="fence around half an object"),
        pytest.param(completion('{"score": 0.75}```'), "malformed JSON", id="fence that was never opened"),
        pytest.param(completion('```{"score": 0.2}``````{"score": 0.9}```'), "malformed JSON", id="two fences"),
        pytest.param(completion('{"score": 0.2}{"score": 0.9}'), "malformed JSON", id="two objects"),
        pytest.param(completion('```\n{"score": 0.2}\n{"score": 0.9}\n```'), "malformed JSON", id="two in a fence"),
        pytest.param(completion('<think>{"score": 0.75}'), "malformed JSON", id="reasoning that does not end"),
        pytest.param(completion('<think>{"score": 0.75}</think>'), "malformed JSON", id="nothing behind reasoning"),
        pytest.param(completion('{"score": 0.75}<|im_end|>user'), "malformed JSON", id="text behind a token"),
        pytest.param(completion('{"score": 0.2, "score": 0.9}'), "no score", id="two scores"),
        pytest.param(completion('{"score": 0.5, "why": "", "score": 0.5}'), "no score", id="the same score twice"),
        pytest.param(completion('```json\n[{"score": 0.75}]\n```'), "no score", id="list in a fence"),
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
    assert read_judgement(reply.body) == Judgement(None, reason)


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (completion("I would say\n\x1b[31m0.75\u202e"), "I would say [31m0.75"),
        (completion("a" * 500), "a" * 99 + "…"),
        (completion('{"score": 75}'), '{"score": 75}'),
        (completion("0.", finish_reason="length"), "0."),
        (completion(None, refusal="I cannot."), "I cannot."),
        (completion(""), ""),
    ],
)
def test_what_was_said_instead_of_a_score_is_kept_on_one_short_line(reply: Reply, result: str) -> None:
    assert read_judgement(reply.body).text == result


@pytest.mark.parametrize(
    "text", [" " * 10**6, "`" * 10**6, "<|x|>" * 2 * 10**5 + "y", '{"score": 1}' + " " * 10**6 + "x"]
)
def test_a_hostile_reply_takes_no_longer_than_its_length(text: str) -> None:
    assert read_judgement(completion(text).body).score is None


@pytest.mark.parametrize("reason", ["network_error", "insufficient_system_resource", "error", "abort"])
def test_a_score_that_was_broken_off_is_none(reason: str) -> None:
    with pytest.raises(MalformedAnswer):
        read_judgement(completion('{"score": 0.75}', finish_reason=reason).body)


@pytest.mark.parametrize("reason", ["max_tokens", "MAX_TOKENS", "model_length"])
def test_every_name_of_the_token_limit_is_known(reason: str) -> None:
    assert read_judgement(completion('{"score": 0.7}', finish_reason=reason).body) == Judgement(None, "truncated")


@pytest.mark.parametrize("body", [[], {}, {"choices": []}, {"choices": [{"message": {"content": 1}}]}])
def test_no_completion(body: Mapping[str, Any]) -> None:
    with pytest.raises(MalformedAnswer):
        read_judgement(body)
