"""``OpenAIEngine`` against a scripted server that is really served over HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking_served import CHOICES, IMAGE, ask, engine_at
from PIL import Image
from sklearn.metrics import roc_auc_score

from qreal_tasks.llm import arguments
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error, token
from qreal_tasks.llm.usage import Prices, load_prices
from qreal_tasks.metrics.ranking import Ranking
from qreal_tasks.models.requests import Request
from qreal_tasks.models.server.engine import OpenAIEngine


@pytest.mark.parametrize(
    ("top", "p", "mass"),
    [
        pytest.param({"Yes": 0.75, "No": 0.25}, (0.75, 0.25), 1.0, id="plain"),
        pytest.param({"Yes": 0.3, " yes": 0.3, "NO": 0.2, "The": 0.1}, (0.75, 0.25), 0.8, id="spellings are summed"),
        pytest.param({"Yes": 0.9, "Y": 0.1}, (1.0, 0.0), 0.9, id="missing No"),
        pytest.param({"The": 0.99, "\nno": 3e-9, " Yes": 1e-9}, (0.25, 0.75), 4e-9, id="tiny mass"),
        pytest.param({"The": 0.6, "Yesterday": 0.4}, None, None, id="neither"),
        pytest.param({"Yes": 0.0, "No": 0.0}, None, None, id="both impossible"),
    ],
)
def test_probabilities(top: dict[str, float], p: tuple[float, ...] | None, mass: float | None) -> None:
    [response], _, server = ask(lambda _: completion("Yes", top))
    assert response.text == "Yes"
    assert response.p == (None if p is None else pytest.approx(p))
    assert response.mass == (None if mass is None else pytest.approx(mass, abs=1e-15))
    assert server.asked[0].body["logprobs"] is True
    assert server.asked[0].body["top_logprobs"] == 20


def test_auc_equals_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(60) < 0.5
    p_yes = np.clip(np.round(rng.beta(2, 2, 60) + 0.2 * truth, 2), 0.01, 0.99)  # rounded: ties

    def script(asked: Asked) -> Reply:
        p = p_yes[int(asked.text)]
        return completion("Yes", {" yes": 0.4 * p, "Yes": 0.5 * p, "No": 0.9 * (1 - p)})

    responses, _, _ = ask(script, *(Request(IMAGE, str(n), CHOICES) for n in range(60)))
    scored = np.array([response.p[0] for response in responses if response.p])
    np.testing.assert_allclose(scored, p_yes)
    ranking = Ranking.of(scored.tolist(), truth.tolist(), list(range(60)))
    assert ranking.scores(np.ones((1, 60))).auc[0] == pytest.approx(roc_auc_score(truth, p_yes), abs=1e-12)


PARTS = [{"type": "thinking", "thinking": "No"}, {"type": "text", "text": "Ye"}, {"type": "text", "text": "s"}]


def completion_with(message: object, **choice: object) -> Reply:
    """Of a server with a form of its own."""
    return Reply({"choices": [{"message": message, "finish_reason": "stop", **choice}]})


@pytest.mark.parametrize(
    ("reply", "text", "unanswered"),
    [
        pytest.param(
            completion("", {"Yes": 1.0}, finish_reason="length"),
            "",
            "used up its tokens before answering",
            id="no tokens left for the answer",
        ),
        pytest.param(completion("Yes \ud83d"), "Yes ?", None, id="half a surrogate pair"),
        pytest.param(completion_with({"content": PARTS}), "Yes", None, id="parts"),
        pytest.param(
            completion_with(None, finish_reason="content_filter: x"), "", "content filter", id="filtered message"
        ),
        pytest.param(error(403, "flagged by moderation"), "", "content filter", id="moderated question"),
        pytest.param(completion(None, refusal="I cannot."), "I cannot.", "refused", id="refusal"),
        pytest.param(completion(None, finish_reason="content_filter"), "", "content filter", id="filtered answer"),
        pytest.param(error(400, code="content_policy_violation"), "", "content filter", id="filtered question"),
        pytest.param(completion("Yes, bec", finish_reason="length"), "Yes, bec", None, id="cut off"),
        pytest.param(completion(""), "", "empty answer", id="empty"),
    ],
)
def test_outcomes(reply: Reply, text: str, unanswered: str | None) -> None:
    [response], engine, server = ask(lambda _: reply)
    assert (response.text, response.unanswered) == (text, unanswered)
    assert len(server.asked) == 1
    assert dict(engine.usage.failures) == ({unanswered: 1} if unanswered else {})


NO_LOGPROBS = "gives no log-probabilities: answers are read from the text, AUC will be empty"


@pytest.mark.parametrize(
    ("reply", "noticed"),
    [
        pytest.param(completion("Yes"), NO_LOGPROBS, id="none"),
        pytest.param(
            completion_with({"content": "Yes"}, logprobs={"content": [{"top_logprobs": [{"token": "Yes"}]}]}),
            NO_LOGPROBS,
            id="of another form",
        ),
        pytest.param(
            completion_with(
                {"content": "Yes"}, logprobs={"content": [{"top_logprobs": [{"token": "Yes", "logprob": None}]}]}
            ),
            NO_LOGPROBS,
            id="null",
        ),
        pytest.param(
            completion_with({"content": "Yes"}, logprobs={"content": [token("The", 0.9, {"The": 0.9, "Yes": 0.05})]}),
            "gives answers without P: the answer's word is no token of those with log-probabilities",
            id="of other words",
        ),
    ],
)
def test_answers_without_probabilities_are_noticed_once(
    reply: Reply, noticed: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        responses, engine, _ = ask(lambda _: reply, *[Request(IMAGE, "real?", CHOICES)] * 5)
    assert {(r.text, r.p, r.unanswered) for r in responses} == {("Yes", None, None)}
    assert [r.message.partition("/v1 ")[2] for r in caplog.records] == [noticed]
    assert engine.usage.retries == 0


def test_too_few_tokens_are_noticed_once(caplog: pytest.LogCaptureFixture) -> None:
    requests = [Request(IMAGE, "real?", max_new_tokens=n) for n in (16, 16, 16, 32)]
    with caplog.at_level(logging.WARNING):
        ask(lambda _: completion(None, finish_reason="length"), *requests, concurrency=1)
    assert [r.message.partition("/v1 ")[2] for r in caplog.records] == [
        "used up its tokens before answering: 16 were allowed; raise max_new_tokens, or turn its reasoning off"
    ]


@pytest.mark.parametrize(
    ("most", "asked_for"),
    [
        pytest.param(10, [20, 10], id="ten"),
        pytest.param(5, [20, 5], id="five"),
        pytest.param(0, [20, None], id="none"),
    ],
)
def test_fewer_log_probabilities_are_asked_for(
    most: int, asked_for: list[int | None], caplog: pytest.LogCaptureFixture
) -> None:
    result = f"is greater than max allowed: {most}"

    def script(asked: Asked) -> Reply:
        wanted = asked.body.get("top_logprobs", 0)
        many = error(400, f"Requested sample logprobs of {wanted}, which {result}")
        return many if wanted > most else completion("Yes")

    with caplog.at_level(logging.WARNING):
        [response], _, server = ask(script)
    assert response.text == "Yes"
    assert [asked.body.get("top_logprobs") for asked in server.asked] == asked_for
    assert result in caplog.records[0].message


@pytest.mark.parametrize(
    ("refused", "message", "kept"),
    [
        ("logprobs", "This model does not support logprobs", {"max_tokens": 1, "temperature": 0}),
        (
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'",
            {"max_completion_tokens": 1, "logprobs": True},
        ),
        ("temperature", "Unsupported value: 'temperature' does not support 0", {"max_tokens": 1, "logprobs": True}),
    ],
)
def test_a_rejected_parameter_is_dropped_for_the_run(
    refused: str, message: str, kept: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def script(asked: Asked) -> Reply:
        return (
            error(400, message, param=refused) if refused in asked.body else completion("Yes", {"Yes": 0.9, "No": 0.1})
        )

    requests = [Request(IMAGE, str(n), CHOICES, max_new_tokens=1) for n in range(30)]
    with caplog.at_level(logging.WARNING):
        responses, engine, server = ask(script, *requests, concurrency=4)
    assert {r.text for r in responses} == {"Yes"}
    assert kept.items() <= server.asked[-1].body.items()
    # At most twice the concurrency is under way, repeated requests included.
    assert sum(refused in asked.body for asked in server.asked) <= 2 * 4
    assert len([result for result in caplog.records if result.name.startswith("qreal_tasks")]) == 1
    assert engine.usage.retries == 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "CMYK", "I;16"])
def test_pictures_arrive_as_they_are(mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = (
        Image.fromarray(noise).convert(mode) if mode != "I;16" else Image.fromarray(noise[..., 0].astype("<u2") * 256)
    )
    arrived = []

    def script(asked: Asked) -> Reply:
        arrived.append(asked.image.convert("RGB").tobytes())
        return completion("Yes")

    _, _, server = ask(script, Request(image, "real?"))
    expected = Image.fromarray(noise[..., 0]) if mode == "I;16" else image
    assert arrived == [expected.convert("RGB").tobytes()]
    assert server.asked[0].image_url.startswith("data:image/png;base64,")
    assert server.asked[0].body["messages"][0]["content"][0]["image_url"]["detail"] == "high"


def test_jpeg_only_when_asked_for() -> None:
    _, engine, server = ask(lambda _: completion("Yes"), image_format="jpeg", image_detail="low")
    assert server.asked[0].image.format == "JPEG"
    assert engine.identity()["image_format"] == "jpeg 95"


def test_a_picture_that_cannot_be_sent_is_told() -> None:
    responses, engine, _ = ask(lambda _: completion("Yes"), Request(Image.new("F", (2, 2)), "?"), Request(IMAGE, "?"))
    assert [r.unanswered for r in responses] == ["image cannot be sent: mode F has no defined range of values", None]
    assert engine.usage.failures == {"unsendable image": 1}


def test_usage_cost_and_progress() -> None:
    spent = {"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 400}}
    seen: list[tuple[int, int, float | None]] = []
    _, engine, _ = ask(
        lambda _: completion("Yes", usage=spent),
        *[Request(IMAGE, "?")] * 3,
        prices={"input": 2.5, "cached_input": 1.25, "output": 10},
        progress=lambda *now: seen.append(now),
    )
    assert engine.cost() == pytest.approx(3 * (600 * 2.5 + 400 * 1.25 + 10 * 10) / 1e6)
    assert [(done, total) for done, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    assert seen[-1][2] == engine.cost()
    assert engine.usage.served_by == {"scripted-1 fp_1": 3}


def test_identity_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    engine = OpenAIEngine("m", base_url="https://host:1/v1/", api_key="sk-argument", seed=1)
    assert "sk-" not in json.dumps(engine.identity())
    assert engine.identity()["base_url"] == "https://host:1/v1"
    assert engine.cost() is None


@pytest.mark.parametrize(
    "url",
    [
        "https://user:sk-1@host/v1",
        "https://sk-/1@host/v1",  # what stands before the slash is no host
        "https://host/v1?key=sk-1",
        "host:80/v1",
        "ftp://host",
        "http://[::1/v1",
        "http://host:port/v1",
        "http://host:99999/v1",
    ],
)
def test_only_plain_addresses(url: str) -> None:
    with pytest.raises(ValueError, match="is no plain address") as raised:
        OpenAIEngine("m", base_url=url, api_key="key")
    assert "sk-" not in str(raised.value)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o", Prices(input=2.5, cached_input=1.25, output=10)),
        ("gpt-4o-2024-11-20", Prices(input=2.5, cached_input=1.25, output=10)),
        ("gpt-4o-mini", None),
    ],
)
def test_listed_prices(model: str, expected: Prices | None) -> None:
    assert load_prices(Path(__file__).parents[4] / "configs/eval/prices.yaml", model) == expected


def test_odd_prices_are_refused() -> None:
    with pytest.raises(ValueError, match="prices of m: input is -1"):
        OpenAIEngine("m", api_key="key", prices={"input": -1, "output": 1})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("concurrency", value) for value in (0, 2.0, True, "32")),
        *(("max_retries", value) for value in (-1, 1.5, "6")),
        *(("timeout_s", value) for value in (0, "120", None, True, float("nan"))),
        *(("first_wait_s", value) for value in (-1, "1")),
        *(("top_logprobs", value) for value in (0, 21, 5.0, "20")),
        *(("temperature", value) for value in ("0", True)),
        ("seed", "1"),
    ],
)
def test_odd_settings_are_refused(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{setting} is {value!r}, expected "):
        OpenAIEngine("m", api_key="key", **{setting: value})  # type: ignore[arg-type]


def test_equal_temperatures_have_one_identity() -> None:
    first, second = (json.dumps(OpenAIEngine("m", api_key="key", temperature=t).identity()) for t in (0, 0.0))
    assert first == second


def test_a_key_is_stripped_and_must_be_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert arguments.api_key_for(" sk-1\n", "https://host/v1") == "sk-1"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-2\r\n")
    assert arguments.api_key_for(" ", "https://host/v1") == "sk-2"
    for key in ("sk-1\nsk-2", "sk-1\x00", "sk-1\u2028sk-2", "sk-…"):
        with pytest.raises(StoppedRun, match="holds a line break") as raised:
            OpenAIEngine("m", api_key=key)
        assert "sk-" not in str(raised.value)


def test_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(StoppedRun, match="set OPENAI_API_KEY"):
        OpenAIEngine("gpt-4o")


def test_runs_where_a_loop_runs_and_in_threads() -> None:
    with ScriptedServer(lambda _: completion("Yes")) as server:
        requests = [Request(IMAGE, "?")] * 3

        async def inside() -> int:
            return len(list(engine_at(server).run(requests)))

        assert asyncio.run(inside()) == 3
        counts: list[int] = []
        engine = engine_at(server)
        threads = [threading.Thread(target=lambda: counts.append(len(list(engine.run(requests))))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert counts == [3, 3, 3]


def test_closing_the_iterator_ends_the_run() -> None:
    with ScriptedServer(lambda _: completion("Yes")) as server:
        answers = engine_at(server, concurrency=1).run([Request(IMAGE, "?")] * 10_000)
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        assert not [t for t in threading.enumerate() if t.name == "requests"]
        assert len(server.asked) < 10_000
