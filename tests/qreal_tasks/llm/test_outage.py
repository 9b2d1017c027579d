"""A server that answered and then is gone is waited for; nothing that it said meanwhile is an answer."""

from __future__ import annotations

import gzip
import io
import json
import logging
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qreal_tasks.llm import outage as openai_outage
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.http import MAX_ANSWER_BYTES
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.server.engine import OpenAIEngine
from qreal_tasks.models.store import AnswerStore, answer_with_store

pytestmark = pytest.mark.slow

IMAGE = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
MANY = [Request(IMAGE, str(n)) for n in range(60)]
KEY = "sk-proj-0123456789"
Script = Callable[[Asked], Reply]


def engine_at(url: str, **settings: Any) -> OpenAIEngine:
    return OpenAIEngine("m", base_url=url, **{"api_key": KEY, "first_wait_s": 0.01, "concurrency": 8, **settings})


def texts(found: list[tuple[int, Response]]) -> dict[int, str]:
    assert {r.unanswered for _, r in found} == {None}
    return {at: r.text for at, r in found}


def echo(asked: Asked) -> Reply:
    return completion(f"[{asked.text}]", delay_s=0.005)


ANSWERS = {n: f"[{n}]" for n in range(60)}


def test_a_server_that_dies_and_returns_costs_no_answer_and_no_retry(caplog: pytest.LogCaptureFixture) -> None:
    """The port refuses connections for a second, and requests under way are reset. One retry is allowed: a request may
    be reset while another is still answered."""
    back = threading.Event()

    def revive(port: int) -> None:
        time.sleep(1)
        with ScriptedServer(echo, port=port):
            back.set()
            done.wait(timeout=60)

    done = threading.Event()
    first = ScriptedServer(lambda asked: echo(asked) if asked.number < 20 else Reply(drop=True))
    first.__enter__()
    engine = engine_at(first.url, max_retries=1)
    reviver = threading.Thread(target=revive, args=(first.port,))
    found = []
    with caplog.at_level(logging.WARNING):
        for answer in engine.run(MANY):
            found.append(answer)
            if len(found) == 15:
                first.__exit__()
                reviver.start()
    done.set()
    reviver.join(timeout=30)
    assert back.is_set()
    assert texts(found) == ANSWERS
    result = [record.message for record in caplog.records if record.name == openai_outage.__name__]
    assert len(result) == 2
    assert "is gone (connection lost" in result[0]
    assert "waiting for it, 15 min more at most" in result[0]
    assert "is back after" in result[1]


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param(Reply(drop=True), id="reset"),
        pytest.param(Reply("<html>bad gateway</html>", status=502), id="502"),
        pytest.param(error(503, "no server is available"), id="503"),
        pytest.param(Reply("", status=504), id="504"),
        pytest.param(Reply("web server is down", status=521), id="521"),
        pytest.param(Reply({"error": {"code": 502, "message": "Provider returned error"}}), id="502 inside a 200"),
        pytest.param(completion("late", delay_s=5), id="silence"),
    ],
)
def test_every_sign_of_a_server_that_is_gone_is_waited_out(gone: Reply) -> None:
    since: list[float] = []

    def script(asked: Asked) -> Reply:
        if asked.number < 10:
            return echo(asked)
        since.append(time.monotonic())
        return gone if since[-1] < since[0] + 0.6 else echo(asked)

    with ScriptedServer(script) as server:
        assert texts(list(engine_at(server.url, max_retries=1, timeout_s=0.3).run(MANY))) == ANSWERS


def test_a_server_that_stays_away_stops_the_run_and_keeps_the_answers(tmp_path: Path) -> None:
    with ScriptedServer(lambda asked: echo(asked) if asked.number < 20 else Reply(drop=True)) as server:
        with AnswerStore(tmp_path / "a.sqlite") as store:
            engine = engine_at(server.url, outage_s=0.3)
            with pytest.raises(
                StoppedRun, match=r"has been gone for .* Start the server and run the same command again"
            ):
                list(answer_with_store(engine, store, MANY))
            assert len(store) == 20
        server.asked.clear()
    with ScriptedServer(echo, port=server.port) as server, AnswerStore(tmp_path / "a.sqlite") as store:
        assert texts(list(answer_with_store(engine_at(server.url), store, MANY))) == ANSWERS
        assert len(server.asked) == 40


def test_a_request_that_breaks_the_server_is_no_outage() -> None:
    """The last one too, when no other is left to tell that the server answers."""
    poison = [Request(IMAGE, f"bad {n}") for n in range(3)]

    def script(asked: Asked) -> Reply:
        return Reply(drop=True) if "bad" in asked.text else echo(asked)

    with ScriptedServer(script) as server:
        found = dict(engine_at(server.url, max_retries=2, outage_s=60).run([*MANY[:10], *poison]))
    assert [found[at].text for at in range(10)] == [f"[{n}]" for n in range(10)]
    assert all((found[at].unanswered or "").startswith("request failed: connection lost") for at in range(10, 13))


def test_one_line_a_minute(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_outage, "_SAY_EVERY_S", 0.2)
    with ScriptedServer(lambda asked: echo(asked) if asked.number < 20 else error(503)) as server:
        engine = engine_at(server.url, outage_s=0.7)
        with caplog.at_level(logging.WARNING), pytest.raises(StoppedRun):
            list(engine.run(MANY))
    assert 2 <= len([r for r in caplog.records if "is gone (503: no): waiting" in r.message]) <= 4


def test_closing_the_iterator_ends_the_waiting() -> None:
    with ScriptedServer(lambda asked: echo(asked) if asked.number < 9 else error(502)) as server:
        answers = engine_at(server.url, concurrency=1).run(MANY)
        for _ in range(9):
            next(answers)
        time.sleep(0.2)
        answers.close()  # type: ignore[attr-defined]
        assert not [t for t in threading.enumerate() if t.name == "requests"]


def with_reason(reason: Any, text: str | None = "", **choice: Any) -> Reply:
    result = {"message": {"content": text}, "finish_reason": reason, **choice}
    return Reply({"choices": [result], "usage": {"prompt_tokens": 9, "completion_tokens": 3}})


UNFINISHED = {
    "upstream lost, empty": with_reason("network_error"),
    "upstream lost, cut text": with_reason("insufficient_system_resource", '[{"bbox_2d": [5,6'),
    "error": with_reason("error", "[]"),
    "abort": with_reason("abort", "[]"),
    "cancelled": with_reason("CANCELLED", "[]"),
    "a tool": with_reason("tool_calls", None),
    "error of the answer": with_reason("error", "[]", error={"code": 500, "message": "upstream"}),
    "error beside the answer": Reply(
        {"choices": [{"message": {"content": "[]"}}], "error": {"code": 500, "message": "x"}}
    ),
    "empty without tokens": Reply(
        {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}], "usage": {"completion_tokens": 0}}
    ),
    "null without usage": Reply({"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}),
    "empty, end not told": Reply({"choices": [{"message": {"content": ""}, "finish_reason": None}]}),
    "no choices": Reply({"choices": []}),
}


@pytest.mark.parametrize("name", UNFINISHED)
def test_what_did_not_end_as_an_answer_is_asked_again_and_never_stored(name: str, tmp_path: Path) -> None:
    """In the same run, and in the next one when it lasts."""
    lasting, passing = Request(IMAGE, "lasting"), Request(IMAGE, "passing")
    with AnswerStore(tmp_path / "answers.sqlite") as store:

        def script(asked: Asked) -> Reply:
            first = asked.text == "passing" and not any(one.text == "passing" for one in server.asked[: asked.number])
            return UNFINISHED[name] if first or asked.text == "lasting" else completion("[]")

        with ScriptedServer(script) as server:
            engine = engine_at(server.url, max_retries=2, concurrency=1)
            found = dict(answer_with_store(engine, store, [passing, lasting, Request(IMAGE, "good")]))
        assert [found[at].text for at in (0, 2)] == ["[]", "[]"]
        assert (found[1].unanswered or "").startswith("request failed: ")
        assert len(store) == 2
        with ScriptedServer(lambda _: completion("[1]"), port=server.port) as server:
            again = dict(answer_with_store(engine_at(server.url), store, [passing, lasting]))
        assert [again[at].text for at in (0, 1)] == ["[]", "[1]"]


@pytest.mark.parametrize(
    ("reason", "text", "unanswered"),
    [
        *(
            (reason, "[]", None)
            for reason in ("stop", "STOP", "eos", "end_turn", "stop_sequence", "length", "max_tokens")
        ),
        *((reason, "[]", None) for reason in (None, "eos_token", "COMPLETE", "MAX_TOKENS", "model_length", "end-turn")),
        *((reason, "", "content filter") for reason in ("content_filter", "sensitive", "SAFETY", "content-filter: x")),
        ("guardrail_intervened", "", "content filter"),
        ("null", "[]", None),
        ({"type": "stop", "matched": 1}, "[]", None),
        ("model_context_window_exceeded", "[", None),
        ("refusal", "I will not.", "refused"),
        ("max_tokens", "", "used up its tokens before answering"),
        ("stop", "", "empty answer"),
    ],
)
def test_known_endings(reason: Any, text: str, unanswered: str | None) -> None:
    with ScriptedServer(lambda _: with_reason(reason, text)) as server:
        [(_, response)] = engine_at(server.url).run([Request(IMAGE, "?")])
        assert (response.text, response.unanswered) == (text, unanswered)
        assert len(server.asked) == 1


def packed(raw: bytes, encoding: str) -> Reply:
    return Reply(raw, headers={"Content-Encoding": encoding})


def bomb(size: int) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as file:
        for _ in range(size // 2**20):
            file.write(b" " * 2**20)
    return out.getvalue()


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        pytest.param(packed(bomb(300 * 2**20), "gzip"), "is longer than", id="300 MiB in a gzip of 300 kB"),
        pytest.param(Reply(b" " * (MAX_ANSWER_BYTES + 1)), "is longer than", id="plain"),
        pytest.param(packed(b"no gzip", "gzip"), "cannot be decompressed", id="no gzip"),
        pytest.param(Reply(b'{"choices": ' + b"[" * 10**5), "is nested deeper than 64 levels", id="nested without end"),
        pytest.param(Reply(b"[" * 65 + b"]" * 65), "is nested deeper than 64 levels", id="nested deep"),
        pytest.param(Reply(b'{"\\/": ' * 65 + b"1" + b"}" * 65), "is nested deeper than 64", id="nested with escapes"),
        pytest.param(packed(b"\\x8b\\x01", "br"), "is compressed as br", id="another compression"),
    ],
)
def test_an_answer_that_is_too_large_is_malformed(reply: Reply, result: str) -> None:
    def script(asked: Asked) -> Reply:
        return reply if asked.text == "bad" else completion("Yes")

    with ScriptedServer(script) as server:
        good, bad = Request(IMAGE, "good"), Request(IMAGE, "bad")
        found = dict(engine_at(server.url, max_retries=1).run([good, bad]))
    assert found[0].text == "Yes"
    assert result in (found[1].unanswered or "")


def test_an_answer_of_many_tokens_with_their_probabilities_is_read() -> None:
    raw = json.dumps(completion("Yes").body).encode() + b" " * MAX_ANSWER_BYTES
    asked = Request(IMAGE, "?", choices=("Yes", "No"), max_new_tokens=4096)
    with ScriptedServer(lambda _: Reply(raw)) as server:
        assert [r.text for _, r in engine_at(server.url, max_retries=0).run([asked])] == ["Yes"]


def test_a_compressed_answer_is_read() -> None:
    raw = json.dumps(completion("Yes").body).encode()
    for reply in (packed(gzip.compress(raw), "gzip"), packed(zlib.compress(raw), "deflate")):
        with ScriptedServer(lambda _, reply=reply: reply) as server:  # type: ignore[misc]
            assert [r.text for _, r in engine_at(server.url).run([Request(IMAGE, "?")])] == ["Yes"]


@pytest.mark.parametrize("key", ["anything", "not-needed", "EMPTY", "Placeholder"])
def test_a_placeholder_that_is_a_word_stays_in_answers(key: str) -> None:
    with ScriptedServer(lambda _: completion(f"It holds {key}.")) as server:
        found = [answer.text for _, answer in engine_at(server.url, api_key=key).run([Request(IMAGE, "?")])]
    assert found == [f"It holds {key}."]


LEAKS = {
    "in an error": error(400, f"bad key {KEY}"),
    "in an answer": completion(f"The key is {KEY}."),
    "escaped": Reply('{"choices": [{"message": {"content": "sk\\u002dproj-0123456789"}, "finish_reason": "stop"}]}'),
    "in no JSON": Reply(f"<html>{KEY}</html>"),
    "in an error that is no JSON": Reply(f"<html>{KEY}</html>", status=400),
    "in the reason for the end": with_reason(f"error {KEY}", "x"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_the_key_is_in_no_text_of_the_server(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def script(asked: Asked) -> Reply:
        return LEAKS[name] if asked.text == "leak" else completion("Yes")

    path = tmp_path / "answers.sqlite"
    with ScriptedServer(script) as server, AnswerStore(path) as store, caplog.at_level(logging.DEBUG):
        engine = engine_at(server.url, max_retries=0)
        found = list(answer_with_store(engine, store, [Request(IMAGE, "leak"), Request(IMAGE, "good")]))
    result = f"{found} {caplog.text} {engine.usage}"
    assert "<key>" in result
    assert KEY not in result
    assert KEY.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_a_refused_key_is_told_without_the_key() -> None:
    with ScriptedServer(lambda _: error(401, f"Incorrect API key provided: {KEY}")) as server:
        engine = engine_at(server.url)
        with pytest.raises(StoppedRun, match="Incorrect API key provided: <key>") as raised:
            list(engine.run(MANY))
    assert KEY not in str(raised.value)


def test_redirects_are_not_followed() -> None:
    """The picture and the key would go to another host, and a 302 turns the request into a GET."""
    with ScriptedServer(lambda _: completion("No")) as elsewhere:
        for status in (301, 302, 307, 308):
            reply = Reply("", status=status, headers={"Location": elsewhere.url.replace("127.0.0.1", "localhost")})
            with ScriptedServer(lambda _, reply=reply: reply) as server:  # type: ignore[misc]
                engine = engine_at(server.url)
                with pytest.raises(StoppedRun, match=r"the server redirects to localhost.*Correct base_url"):
                    list(engine.run(MANY))
        assert elsewhere.asked == []
