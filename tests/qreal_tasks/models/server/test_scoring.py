"""How choices are asked for: with every spelling by its id where the server knows ids, and with one token where one is
all of the answer."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from annotation.demo.server import Asked, Reply, ScriptedServer, error, token
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.server.engine import OpenAIEngine
from qreal_tasks.models.server.one_token import LEARNED_AFTER
from qreal_tasks.models.server.token_ids import tokenize_url
from qreal_tasks.models.store import AnswerStore, answer_with_store

CHOICES = ("Yes", "No")
IMAGE = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
ALONE, LOWER, WORDS = ("Yes", "No"), ("yes", "no"), ("YES", "NO")
SPELLED = [mark + word for words in (ALONE, LOWER, WORDS) for word in words for mark in ("", "Ġ")]
VOCABULARY = {one: 100 + at for at, one in enumerate([*SPELLED, "Ċ", "Ġ", *"YESNOyeso"])}
IDS = sorted(VOCABULARY[one] for one in SPELLED)

Script = Callable[[Asked], Reply]


def engine_at(server: ScriptedServer, **settings: Any) -> OpenAIEngine:
    return OpenAIEngine("m", base_url=server.url, **{"api_key": "key", "first_wait_s": 0.001, **settings})


def requests(count: int, **settings: Any) -> list[Request]:
    return [Request(IMAGE, str(n), CHOICES, **settings) for n in range(count)]


def probabilities(asked: Asked) -> dict[str, float]:
    """Of every token, from the number in the question: the spellings are of any rank, and a choice is the likeliest."""
    rng = np.random.default_rng(int(asked.text))
    tokens = [*SPELLED, *(f"word {n}" for n in range(40))]
    weights = np.exp(rng.normal(0, 4, len(tokens)))
    weights[int(rng.integers(2))] = 2 * weights.max()
    return dict(zip(tokens, weights / weights.sum(), strict=True))


def like_vllm(asked: Asked) -> Reply:
    """The wanted ids and the token taken where ids are given, the likeliest ones otherwise."""
    p = probabilities(asked)
    taken = max(p, key=lambda one: p[one])
    names = {at: one for one, at in VOCABULARY.items()}
    wanted = asked.body.get("logprob_token_ids")
    likeliest = sorted(p, key=lambda one: -p[one])[: asked.body["top_logprobs"]]
    listed = [names[at] for at in wanted] if wanted else likeliest
    shown = {one.replace("Ġ", " "): p[one] for one in dict.fromkeys([taken, *listed])}
    return with_token(token(taken.replace("Ġ", " "), p[taken], shown))


def with_token(*entries: dict[str, Any], content: str | None = None, reason: str = "length") -> Reply:
    result = "".join(entry["token"] for entry in entries).strip() if content is None else content
    choice = {"message": {"content": result}, "finish_reason": reason, "logprobs": {"content": list(entries)}}
    return Reply({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": len(entries)}})


def expected(number: int) -> tuple[float, float]:
    p = probabilities(Asked(0, {"messages": [{"content": [{"type": "text", "text": str(number)}]}]}))
    yes, no = (math.fsum(p[one] for one in SPELLED if word in one.casefold()) for word in ("yes", "no"))
    return yes / (yes + no), yes + no


def test_with_ids_every_spelling_is_exact() -> None:
    with ScriptedServer(like_vllm, vocabulary=VOCABULARY) as server:
        found = dict(engine_at(server).run(requests(60)))
        asked = server.asked
    for number, response in found.items():
        p_yes, mass = expected(number)
        assert response.p is not None, response.no_p
        assert response.p[0] == pytest.approx(p_yes, abs=1e-9)
        assert response.mass == pytest.approx(mass, abs=1e-9)
    assert all(one.body["logprob_token_ids"] == IDS and one.body["top_logprobs"] == 20 for one in asked)
    assert all(one["model"] == "m" and one["add_special_tokens"] is False for one in server.tokenized)
    assert {one["prompt"] for one in server.tokenized} == {
        before + word for words in (ALONE, LOWER, WORDS) for word in words for before in ("", " ", "\n")
    }


def test_without_ids_what_is_not_listed_counts_as_impossible() -> None:
    """The case that ids are asked for: this is by how much P is off without them."""
    with ScriptedServer(like_vllm) as server:
        found = dict(engine_at(server).run(requests(60)))
        assert not any("logprob_token_ids" in one.body for one in server.asked)
        assert len(server.tokenized) == 1  # a server without the address is asked once
    off = [abs(response.p[0] - expected(number)[0]) for number, response in found.items() if response.p]
    assert max(off) > 1e-6
    assert any(0 in response.p for response in found.values() if response.p)


def test_a_server_that_refuses_ids_is_asked_without(caplog: pytest.LogCaptureFixture) -> None:
    def script(asked: Asked) -> Reply:
        known = "logprob_token_ids" in asked.body
        return error(422, "logprob_token_ids: Extra inputs are not permitted") if known else like_vllm(asked)

    with ScriptedServer(script, vocabulary=VOCABULARY) as server, caplog.at_level(logging.WARNING):
        found = dict(engine_at(server, concurrency=1).run(requests(20)))
        assert sum("logprob_token_ids" in one.body for one in server.asked) <= 2
    assert all(response.p for response in found.values())
    assert [r.message.partition("/v1 ")[2].partition(" (")[0] for r in caplog.records] == [
        "rejects `logprob_token_ids`"
    ]


@pytest.mark.parametrize(
    "vocabulary",
    [
        pytest.param(
            {one: VOCABULARY[one] for one in ("Yes", "ĠYes", "yes", "Ċ", "Ġ", *"YESNOyeso")}, id="No is two tokens"
        ),
        pytest.param(dict.fromkeys(["Ċ", "Ġ", *"YESNOyeso"], 7), id="no word is a token"),
    ],
)
def test_ids_of_one_choice_alone_are_not_used(vocabulary: dict[str, int]) -> None:
    with ScriptedServer(like_vllm, vocabulary=vocabulary) as server:
        dict(engine_at(server).run(requests(3)))
        assert not any("logprob_token_ids" in one.body for one in server.asked)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://host:8000/v1", "http://host:8000/tokenize"),
        ("https://host/proxy/v1", "https://host/proxy/tokenize"),
        ("https://api.openai.com/v1", None),
        ("https://eu.api.openai.com/v1", None),
        ("https://generativelanguage.googleapis.com/v1beta/openai", None),
        ("https://notopenai.com/v1", "https://notopenai.com/tokenize"),
    ],
)
def test_where_ids_are_asked_for(base_url: str, url: str | None) -> None:
    assert tokenize_url(base_url) == url


YES = token("Yes", 0.8, {"Yes": 0.8, "No": 0.1})


def bare(asked: Asked) -> Reply:
    """A model that says "Yes." in full."""
    if asked.body["max_tokens"] == 1:
        return with_token(YES)
    return with_token(YES, token(".", 1.0, {".": 1.0}), reason="stop")


def result(found: dict[int, Response]) -> set[tuple[str, float | None]]:
    """Texts with P(Yes), which is 8/9 for ``YES``."""
    return {(r.text, round(r.p[0], 3) if r.p else None) for r in found.values()}


def limits(server: ScriptedServer) -> Counter[int]:
    return Counter(one.body["max_tokens"] for one in server.asked)


def test_one_token_is_asked_for_when_it_is_all_of_the_answers() -> None:
    with ScriptedServer(bare) as server:
        engine = engine_at(server, concurrency=1)
        found = dict(engine.run(requests(100)))
        assert limits(server)[16] <= LEARNED_AFTER + 2
        assert len(server.asked) == 100
    assert result(found) == {("Yes", 0.889)}
    assert engine.usage.completion_tokens == sum(1 if one.body["max_tokens"] == 1 else 2 for one in server.asked)


MARKUP = [token("**", 0.9, {"**": 0.9, "Yes": 0.01}), YES, token("**", 1.0, {"**": 1.0})]
REASONING = [token("Okay", 0.9, {"Okay": 0.9, "No": 0.01}), token(",", 1.0, {",": 1.0}), YES]


@pytest.mark.parametrize(
    ("entries", "content"),
    [
        pytest.param(MARKUP, "**Yes**", id="markup"),
        pytest.param(REASONING, "Yes", id="reasoning apart"),
        pytest.param([YES, token(", because", 1.0, {", because": 1.0})], "Yes, because", id="goes on"),
    ],
)
def test_a_model_that_says_more_is_asked_in_full(entries: list[dict[str, Any]], content: str) -> None:
    with ScriptedServer(lambda _: with_token(*entries, content=content, reason="stop")) as server:
        found = dict(engine_at(server).run(requests(40)))
        assert limits(server) == {16: 40}
    assert result(found) == {(content, 0.889)}


def test_what_one_token_does_not_answer_is_asked_in_full() -> None:
    """A model that starts to write markup in the middle of a run: once that is known, one token is no longer asked."""

    def script(asked: Asked) -> Reply:
        if int(asked.text) < 30:
            return bare(asked)
        return with_token(
            *MARKUP[: asked.body["max_tokens"]], content="**" if asked.body["max_tokens"] == 1 else "**Yes**"
        )

    with ScriptedServer(script) as server:
        found = dict(engine_at(server, concurrency=2).run(requests(100)))
        again = Counter(asked.text for asked in server.asked)
    assert [found[at].text for at in range(100)] == ["Yes"] * 30 + ["**Yes**"] * 70
    assert {p for _, p in result(found)} == {0.889}
    assert sum(count > 1 for count in again.values()) <= 8


ONE_TOKEN_REFUSED = [
    "max_tokens must be at least 16",
    "max_tokens: value is below the minimum of 16",
    "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 1 instead.",
    "Could not finish the message because max_tokens or model output limit was reached. Please try again with higher "
    "max_tokens.",
    "the output is cut",
]


@pytest.mark.parametrize("message", ONE_TOKEN_REFUSED)
def test_a_server_that_does_not_give_one_token_is_asked_in_full(message: str) -> None:
    with ScriptedServer(lambda asked: error(400, message) if asked.body["max_tokens"] == 1 else bare(asked)) as server:
        engine = engine_at(server, concurrency=1)
        found = dict(engine.run(requests(40)))
        assert 1 <= limits(server)[1] <= 2
    assert {(r.text, r.unanswered) for r in found.values()} == {("Yes", None)}
    assert not engine.usage.failures


def test_a_question_that_is_refused_in_full_too_costs_no_other_one_its_one_token() -> None:
    def script(asked: Asked) -> Reply:
        return error(400, "image too small") if asked.text == "20" else bare(asked)

    with ScriptedServer(script) as server:
        engine = engine_at(server, concurrency=1)
        found = dict(engine.run(requests(40)))
        assert limits(server)[1] >= 40 - LEARNED_AFTER - 2
    assert [at for at, response in found.items() if response.unanswered] == [20]
    assert found[20].unanswered == "request failed: 400: image too small"
    assert dict(engine.usage.failures) == {"status 400": 1}


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 11, 37])
def test_a_run_that_goes_on_stores_what_an_uninterrupted_one_stores(stop: int, tmp_path: Path) -> None:
    """A choice alone, written as "Yes." or "yes", and other texts, each with the limit that was learned by then."""

    def script(asked: Asked) -> Reply:
        number = int(asked.text)
        word = "No" if number % 3 else "yes"
        entries = [token(word, 0.8, {word: 0.8, "Yes": 0.01}), token(".", 1.0, {".": 1.0})]
        if number % 13 == 12:
            entries = [token("Hm", 0.8, {"Hm": 0.8}), token(", ", 1.0, {", ": 1.0}), *entries]
        return with_token(*entries[: asked.body["max_tokens"]])

    def run(name: str, count: int) -> dict[int, Response]:
        with ScriptedServer(script, port=whole.port) as server, AnswerStore(tmp_path / name) as store:
            return dict(answer_with_store(engine_at(server), store, requests(count)))

    with ScriptedServer(script) as whole, AnswerStore(tmp_path / "whole") as store:
        expected = dict(answer_with_store(engine_at(whole), store, requests(60)))
    run("killed", stop)
    assert run("killed", 60) == expected
    assert Counter(r.text for r in expected.values()).keys() == {"No", "yes", "Hm, No.", "Hm, yes."}
