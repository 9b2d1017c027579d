"""What becomes of requests that a server refuses, limits, leaves or answers with something else."""

from __future__ import annotations

import time
from typing import Any

import pytest
from asking_served import IMAGE, Script, ask, engine_at

from qreal_tasks.llm import chat as openai_chat
from qreal_tasks.llm.errors.messages import StatusError
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.errors.waits import retry_after_s, wait_s
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.models.requests import Request, Response


def failing(first: Reply, times: int = 1) -> Script:
    """``first`` to the first requests, then an answer."""
    return lambda asked: first if asked.number < times else completion("No", {"No": 1.0})


@pytest.mark.slow
@pytest.mark.parametrize(
    "first",
    [
        pytest.param(error(429), id="429"),
        pytest.param(error(429, retry_after="0.01"), id="429 with retry-after"),
        pytest.param(error(500), id="500"),
        pytest.param(Reply("<html>bad gateway</html>", status=502), id="502 without JSON"),
        pytest.param(Reply(drop=True), id="dropped connection"),
        pytest.param(Reply("{not json"), id="malformed JSON"),
        pytest.param(Reply({"choices": []}), id="no choice"),
        pytest.param(Reply("[]"), id="no object"),
        pytest.param(completion("No", {"No": 1.0}, delay_s=3), id="hang"),
    ],
)
def test_passing_failures_are_retried(first: Reply) -> None:
    [response], engine, server = ask(failing(first, times=2), timeout_s=0.5)
    assert (response.text, response.unanswered) == ("No", None)
    assert len(server.asked) == 3
    assert engine.usage.retries == 2
    assert engine.usage.requests == 1


def test_a_lasting_failure_is_told_and_the_others_are_answered() -> None:
    def script(asked: Asked) -> Reply:
        return error(503, "overloaded") if asked.text == "bad" else completion("Yes")

    good, bad = Request(IMAGE, "good"), Request(IMAGE, "bad")
    responses, engine, server = ask(script, good, bad, good, max_retries=2)
    assert [r.unanswered for r in responses] == [None, "request failed: 503: overloaded", None]
    assert sum(asked.text == "bad" for asked in server.asked) == 3
    assert engine.usage.failures == {"status 503": 1}


def beside_another(reply: Reply, **settings: Any) -> tuple[Response, int]:
    """What becomes of a request that is answered like this while another one is answered, and how often it is asked."""

    def script(asked: Asked) -> Reply:
        return reply if asked.text == "bad" else completion("Yes")

    [_, response], _, server = ask(script, Request(IMAGE, "good"), Request(IMAGE, "bad"), **settings)
    return response, sum(asked.text == "bad" for asked in server.asked)


def test_a_refused_request_is_not_repeated() -> None:
    response, times = beside_another(error(400, "image too small"))
    assert (response.unanswered, times) == ("request failed: 400: image too small", 1)


def test_a_reason_is_no_longer_than_a_submission_may_have() -> None:
    response, _ = beside_another(error(400, "too many pixels " * 40))
    assert response.unanswered is not None
    assert response.unanswered.startswith("request failed: 400: too many pixels")
    assert len(response.unanswered) == 200


@pytest.mark.slow
@pytest.mark.parametrize("refusal", [pytest.param(429, id="429"), pytest.param(503, id="503 with retry-after")])
def test_a_limit_on_the_rate_uses_up_no_retries(refusal: int) -> None:
    """A token bucket: 150 requests a second, the others are told to come back after 30 ms."""
    left, filled_at = 5.0, time.monotonic()

    def script(_: Asked) -> Reply:
        nonlocal left, filled_at
        now = time.monotonic()
        left, filled_at = min(5.0, left + 150 * (now - filled_at)), now
        if left < 1:
            return error(refusal, retry_after_ms="30")
        left -= 1
        return completion("Yes")

    responses, engine, _ = ask(script, *[Request(IMAGE, "?")] * 120, max_retries=2)
    assert [r.unanswered for r in responses] == [None] * 120
    assert engine.usage.retries > 10


def test_a_limit_on_the_rate_has_an_end() -> None:
    response, times = beside_another(error(429, "later"), max_retries=2, concurrency=1)
    assert response.unanswered == "request failed: 429: later"
    assert times in (3, 4)  # the first refusal counts unless the other one is answered after it


@pytest.mark.parametrize("count", [1, 3, 49])
def test_a_run_of_which_nothing_is_answered_stops(count: int) -> None:
    with pytest.raises(StoppedRun, match=rf"all {count} requests to http://.* failed, .* 400: no pictures here"):
        ask(lambda _: error(400, "no pictures here"), *[Request(IMAGE, str(n)) for n in range(count)])


def test_what_is_left_of_a_run_may_fail() -> None:
    with ScriptedServer(lambda _: error(400, "image too small")) as server:
        [(at, response)] = engine_at(server).run([Request(IMAGE, "good"), Request(IMAGE, "bad")], known={0})
    assert (at, response.unanswered) == (1, "request failed: 400: image too small")


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        pytest.param(error(401, "bad key"), r"refuses the key \(401: bad key\). Set OPENAI_API_KEY", id="401"),
        pytest.param(error(403), "refuses the key", id="403"),
        pytest.param(error(404, "no such model"), "does not know the model 'm' .404: no such model", id="404"),
        pytest.param(error(400, code="model_not_found"), "does not know the model 'm'", id="400 model by its code"),
        pytest.param(error(400, "Model Not Exist"), "does not know the model 'm'", id="400 model by its message"),
        pytest.param(error(400, "The model `m` does not exist"), "does not know the model", id="400 model, vLLM"),
        pytest.param(error(403, code="model_not_found"), "does not know the model", id="403 model"),
        pytest.param(error(429, code="insufficient_quota"), "quota .* is used up", id="quota"),
        pytest.param(error(400, code="billing_hard_limit_reached"), "quota .* is used up", id="400 billing"),
        pytest.param(error(403, "You exceeded your current quota"), "quota .* is used up", id="403 quota"),
        pytest.param(error(429, retry_after="86400"), "asks to wait 86400 s", id="a day"),
        pytest.param(error(429, "try again in 7h2m"), "asks to wait 25320 s", id="hours, in words"),
        pytest.param(
            Reply({"error": {"message": "no credits", "code": 402}}), "quota .* is used up", id="402 in a 200"
        ),
        pytest.param(Reply({"choices": [{"error": {"code": 401}}]}), "refuses the key", id="401 of an answer in a 200"),
        pytest.param(
            Reply([{"error": {"code": 400, "message": "API key not valid."}}], status=400),
            "refuses the key",
            id="Gemini",
        ),
    ],
)
def test_hopeless_runs_stop_at_once(reply: Reply, result: str) -> None:
    with ScriptedServer(lambda _: reply) as server:
        engine = engine_at(server, concurrency=2)
        with pytest.raises(StoppedRun, match=result):
            list(engine.run([Request(IMAGE, str(n)) for n in range(50)]))
    assert len(server.asked) <= 4


def test_answers_before_a_stop_are_kept() -> None:
    with ScriptedServer(lambda asked: completion("Yes") if asked.number < 3 else error(401)) as server:
        found: list[tuple[int, Response]] = []
        with pytest.raises(StoppedRun):
            found.extend(engine_at(server, concurrency=1).run([Request(IMAGE, str(n)) for n in range(9)]))
    assert found == [(n, Response("Yes")) for n in range(3)]


def test_no_server_at_all() -> None:
    with ScriptedServer(lambda _: completion("Yes")) as server:
        engine = engine_at(server)
    with pytest.raises(StoppedRun, match=r"no connection to http://127.0.0.1:.* Start the server"):
        list(engine.run([Request(IMAGE, "real?")]))


@pytest.mark.parametrize("busy", [pytest.param(error(500), id="500"), pytest.param(error(429), id="429")])
def test_a_server_that_answers_no_more_stops_the_run(busy: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_chat, "FAILURES_IN_A_ROW", 5)
    with ScriptedServer(lambda asked: completion("Yes") if asked.number < 3 else busy) as server:
        found: list[tuple[int, Response]] = []
        with pytest.raises(StoppedRun, match=r"last 5 requests to .* all failed"):
            found.extend(engine_at(server, concurrency=1, max_retries=0).run([Request(IMAGE, "?")] * 100))
    assert len(found) == 7


@pytest.mark.parametrize(
    ("answered_before", "failed"),
    [
        pytest.param(0, None, id="refused from the start: the form is wrong"),
        pytest.param(1, 20, id="refused after an answer: these requests are wrong"),
    ],
)
def test_requests_that_are_all_refused(
    answered_before: int, failed: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_chat, "FAILURES_IN_A_ROW", 5)

    def script(asked: Asked) -> Reply:
        return completion("Yes") if asked.number < answered_before else error(400, "no pictures here")

    requests = [Request(IMAGE, str(n)) for n in range(20 + answered_before)]
    if failed is None:
        with pytest.raises(StoppedRun, match=r"last 5 requests .* all failed, .* 400: no pictures here"):
            ask(script, *requests, concurrency=1)
    else:
        _, engine, _ = ask(script, *requests, concurrency=1)
        assert engine.usage.failures == {"status 400": failed}


def test_filtered_questions_do_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_chat, "FAILURES_IN_A_ROW", 5)
    responses, _, _ = ask(lambda _: error(400, code="content_filter"), *[Request(IMAGE, "?")] * 20)
    assert {r.unanswered for r in responses} == {"content filter"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "20"}, 20.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers) == expected


@pytest.mark.parametrize("now_s", [0.0, 4e9])
def test_a_date_to_wait_for_is_held_against_the_servers_clock(now_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: now_s)
    dates = {"date": "Wed, 21 Oct 2026 12:00:00 GMT", "retry-after": "Wed, 21 Oct 2026 12:00:20 GMT"}
    assert retry_after_s(dates) == 20.0


@pytest.mark.parametrize(("attempt", "least_s"), [(1, 0.1), (2, 0.3), (4, 2.7), (9, 60), (5000, 60)])
def test_back_off(attempt: int, least_s: float) -> None:
    waited_s = wait_s(TimeoutError(), attempt, first_wait_s=0.1)
    assert least_s - 1e-9 <= waited_s <= 1.25 * least_s + 1e-9
    asked = StatusError(429, "slow down", headers={"retry-after": "100"})
    assert 100 <= wait_s(asked, attempt, first_wait_s=0.1) <= 125
    asked = StatusError(429, "slow down", headers={"retry-after-ms": "20"})
    assert wait_s(asked, attempt, first_wait_s=0.1) >= least_s


def test_a_token_limit_that_is_too_large_is_no_rejected_parameter() -> None:
    response, times = beside_another(error(400, "max_tokens is too large: 9", param="max_tokens"))
    assert (response.unanswered, times) == ("request failed: 400: max_tokens is too large: 9", 1)
