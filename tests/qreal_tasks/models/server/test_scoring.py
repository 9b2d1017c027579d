"""How choices are asked for: with every spelling by its id where the server knows ids, and each answer in full."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from qreal_tasks.llm.http import ChatServer
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, error, token
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.server.engine import OpenAIEngine
from qreal_tasks.models.server.token_ids import TokenIds, tokenize_url
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


def test_an_address_that_was_given_up_is_not_asked_by_those_that_waited() -> None:
    class Away:
        asked = 0

        async def post(self, url: str, body: object) -> object:
            assert isinstance(url, str)
            self.asked += 1
            await asyncio.sleep(0)
            raise ConnectionError

    async def ask() -> list[tuple[int, ...]]:
        ids, alone = TokenIds("m", "http://host/v1"), asyncio.Lock()
        return await asyncio.gather(*(ids.of(CHOICES, cast("ChatServer", away), alone) for _ in range(8)))

    away = Away()
    assert asyncio.run(ask()) == [()] * 8
    assert away.asked == 3


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
MARKUP = [token("**", 0.9, {"**": 0.9, "Yes": 0.01}), YES, token("**", 1.0, {"**": 1.0})]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 11, 37])
def test_what_is_recorded_of_an_answer_does_not_depend_on_the_others(stop: int, tmp_path: Path) -> None:
    """A model that gives bare choices for long, and then one that goes on: each answer is asked for in full."""

    def script(asked: Asked) -> Reply:
        number = int(asked.text)
        word = token("No" if number % 3 else "yes", 0.8, {"No" if number % 3 else "yes": 0.8, "Yes": 0.01})
        entries = [word, token(".", 1.0, {".": 1.0})] if number % 2 else [word]
        if number % 13 == 12:
            entries = [word, token(", because", 1.0, {", because": 1.0})]
        if number == 31:
            entries = MARKUP
        return with_token(*entries[: asked.body["max_tokens"]])

    def run(name: str, count: int, **settings: Any) -> dict[int, Response]:
        with ScriptedServer(script, port=whole.port) as server, AnswerStore(tmp_path / name) as store:
            return dict(answer_with_store(engine_at(server, **settings), store, requests(count)))

    with ScriptedServer(script) as whole, AnswerStore(tmp_path / "whole") as store:
        expected = dict(answer_with_store(engine_at(whole), store, requests(60)))
        assert {asked.body["max_tokens"] for asked in whole.asked} == {16}
    run("killed", stop)
    assert run("killed", 60) == expected == run("one at a time", 60, concurrency=1)
    texts = Counter(response.text for response in expected.values())
    assert texts.keys() == {"No", "No.", "yes", "yes.", "No, because", "yes, because", "**Yes**"}
    assert all(response.p for response in expected.values())


def test_one_token_is_asked_for_where_the_request_says_so() -> None:
    with ScriptedServer(lambda _: with_token(YES)) as server:
        found = dict(engine_at(server).run(requests(20, max_new_tokens=1)))
        assert {asked.body["max_tokens"] for asked in server.asked} == {1}
    assert {response.text for response in found.values()} == {"Yes"}
    assert all(response.p == pytest.approx((8 / 9, 1 / 9)) for response in found.values())
