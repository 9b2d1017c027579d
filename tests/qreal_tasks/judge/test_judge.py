"""``Judge`` against a scripted server that is really served over HTTP."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from judging import asked_pair, manifest_for, scored

from qreal_tasks.judge.judge import Judge, cache_path
from qreal_tasks.judge.manifest import load_manifest
from qreal_tasks.judge.pairs import Judgement, Pair
from qreal_tasks.llm import chat as openai_chat
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error

pytestmark = pytest.mark.slow

Script = Callable[[Asked], Reply]
GOOD = [Pair(f"flaw {n}", "flaw") for n in range(12)]
BAD = Pair("bad", "flaw")


def judge_at(server: ScriptedServer, folder: Path, **settings: Any) -> Judge:
    return Judge(manifest_for(server.url), folder / "judged", **{"first_wait_s": 0.001, **settings})


def asked_once(
    script: Script, folder: Path, *pairs: Pair, **settings: Any
) -> tuple[list[Judgement], Judge, list[Asked]]:
    with ScriptedServer(script) as server, judge_at(server, folder, **settings) as judge:
        return judge.judge(pairs), judge, server.asked


def times(asked: list[Asked], pair: Pair) -> int:
    return sum(asked_pair(one) == pair for one in asked)


def test_every_pair_is_scored_in_its_place(tmp_path: Path) -> None:
    def script(asked: Asked) -> Reply:
        number = int(asked_pair(asked).predicted.split()[1])
        return scored(number / 12, delay_s=0.01 * (12 - number))

    found, judge, asked = asked_once(script, tmp_path, *GOOD)
    assert found == [Judgement(n / 12) for n in range(12)]
    assert judge.counts == {"scored": 12}
    assert Counter(map(asked_pair, asked)) == Counter(GOOD)


def test_what_a_request_holds(tmp_path: Path) -> None:
    _, _, [asked] = asked_once(lambda _: scored(1), tmp_path, GOOD[0])
    kept = {"model": "gpt-4o-2024-11-20", "temperature": 0, "seed": 0, "max_tokens": 32}
    assert kept.items() <= asked.body.items()
    assert asked.body["response_format"]["json_schema"]["strict"] is True
    assert "logprobs" not in asked.body


@pytest.mark.parametrize(
    ("fault", "reason", "attempts"),
    [
        pytest.param(error(429), "status 429", 3, id="429"),
        pytest.param(error(429, retry_after="0.01"), "status 429", 3, id="429 with retry-after"),
        pytest.param(error(500), "status 500", 3, id="500"),
        pytest.param(Reply("<html>bad gateway</html>", status=502), "status 502", 3, id="502 without JSON"),
        pytest.param(Reply(drop=True), "connection lost", 3, id="dropped connection"),
        pytest.param(scored(1, delay_s=5), "timed out", 3, id="hang"),
        pytest.param(Reply("{not json"), "malformed answer", 3, id="malformed envelope"),
        pytest.param(scored(0.75, finish_reason="network_error"), "malformed answer", 3, id="broken off"),
        pytest.param(Reply({"error": {"message": "x", "code": 500}}), "status 500", 3, id="500 inside a 200"),
        pytest.param(error(400, code="data_inspection_failed"), "content filter", 1, id="filtered by DashScope"),
        pytest.param(error(400, "odd request"), "status 400", 1, id="rejected"),
        pytest.param(error(400, code="content_filter"), "content filter", 1, id="filtered question"),
        pytest.param(completion(None, finish_reason="content_filter"), "content filter", 1, id="filtered answer"),
        pytest.param(
            Reply({"choices": [{"index": 0, "finish_reason": "content_filter"}]}), "content filter", 1, id="no message"
        ),
        pytest.param(completion(None, refusal="I cannot."), "refused", 1, id="refusal"),
        pytest.param(completion('{"score": 0.', finish_reason="length"), "truncated", 1, id="truncated"),
        pytest.param(completion("about a half"), "malformed JSON", 1, id="malformed JSON"),
        pytest.param(completion("{}"), "no score", 1, id="no score"),
        pytest.param(completion('{"score": 7}'), "out of range", 1, id="out of range"),
        pytest.param(completion(""), "empty answer", 1, id="empty"),
    ],
)
def test_a_fault_is_told_and_disturbs_no_other_pair(tmp_path: Path, fault: Reply, reason: str, attempts: int) -> None:
    def script(asked: Asked) -> Reply:
        return fault if asked_pair(asked) == BAD else scored(0.5)

    pairs, kept = [*GOOD[:6], BAD, *GOOD[6:]], reason in ("refused", "content filter")
    expected = [Judgement(None, reason) if pair == BAD else Judgement(0.5) for pair in pairs]
    with ScriptedServer(script) as server:
        with judge_at(server, tmp_path, max_retries=2, timeout_s=1) as judge:
            assert judge.judge(pairs) == expected
            assert judge.counts == {"scored": 12, reason: 1}
            # A busy server's 429 uses up no retry while the other pairs are answered.
            busy = reason == "status 429"
            assert times(server.asked, BAD) >= attempts if busy else times(server.asked, BAD) == attempts
        server.asked.clear()
        with judge_at(server, tmp_path, max_retries=0, timeout_s=1) as again:
            assert again.judge(pairs) == expected
            assert again.counts == ({"from cache": 13} if kept else {"from cache": 12, reason: 1})
            assert times(server.asked, BAD) == len(server.asked) == (0 if kept else 1)


@pytest.mark.parametrize(
    "fault", [error(429), error(429, retry_after="0.01"), error(500), Reply(drop=True), scored(0.1, delay_s=5)]
)
def test_a_passing_fault_leaves_no_trace(tmp_path: Path, fault: Reply) -> None:
    failed: set[Pair] = set()

    def script(asked: Asked) -> Reply:
        pair = asked_pair(asked)
        first = pair not in failed
        failed.add(pair)
        return fault if first and pair in GOOD[::3] else scored(0.5)

    found, judge, _ = asked_once(script, tmp_path, *GOOD, timeout_s=1)
    assert found == [Judgement(0.5)] * 12
    assert judge.counts == {"scored": 12}
    assert judge.usage.retries == 4


def test_the_second_run_asks_nothing_and_needs_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ScriptedServer(lambda _: scored(0.25)) as server:
        monkeypatch.setattr("qreal_tasks.judge.judge.DEFAULT_BASE_URL", server.url)
        with Judge(load_manifest("gpt-4o"), tmp_path / "c", api_key="sk-1") as judge:
            first = judge.judge(GOOD)
            cost = judge.cost()
    monkeypatch.undo()
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with Judge(load_manifest("gpt-4o"), tmp_path / "c") as judge:
        assert judge.judge(GOOD) == first == [Judgement(0.25)] * 12
        assert judge.counts == {"from cache": 12}
        assert cost == pytest.approx(12 * (100 * 2.5 + 1 * 10) / 1e6)
        assert (judge.usage.requests, judge.cost()) == (0, 0)
        with pytest.raises(StoppedRun, match="set OPENAI_API_KEY"):
            judge.judge([*GOOD, BAD])


def test_another_judge_does_not_share_scores(tmp_path: Path) -> None:
    with ScriptedServer(lambda _: scored(0.25)) as server:
        for model in ("one", "two", "one"):
            with Judge(manifest_for(server.url, model=model), tmp_path / "c") as judge:
                judge.judge(GOOD)
    assert Counter(asked.body["model"] for asked in server.asked) == {"one": 12, "two": 12}


def test_equal_pairs_are_asked_once(tmp_path: Path) -> None:
    found, judge, asked = asked_once(lambda _: scored(0.5), tmp_path, GOOD[0], GOOD[1], GOOD[0], GOOD[0])
    assert found == [Judgement(0.5)] * 4
    assert len(asked) == 2
    assert judge.counts == {"scored": 4}


UNUSABLE = {
    "out of range": completion('{"score": 80}'),
    "malformed JSON": completion("about a half"),
    "no score": completion('{"score": "0.8"}'),
    "truncated": completion('{"score": 0.', finish_reason="length"),
    "empty answer": completion(""),
}


@pytest.mark.parametrize("reason", UNUSABLE)
def test_an_unusable_answer_is_paid_once_by_a_judge_and_asked_again_by_the_next(tmp_path: Path, reason: str) -> None:
    unusable = Judgement(None, reason)
    with ScriptedServer(lambda _: UNUSABLE[reason]) as server:
        for commands in (1, 2):
            with judge_at(server, tmp_path) as judge:
                assert judge.judge([BAD, GOOD[0], BAD]) == [unusable] * 3
                assert judge.judge([BAD]) == judge.judge([BAD]) == [unusable]
                assert judge.counts == {reason: 5}
                assert judge.examples.keys() == ({reason} if reason != "empty answer" else set())
            assert len(server.asked) == 2 * commands
        with judge_at(server, tmp_path) as judge:
            assert len(judge._cache) == 4


def test_an_unusable_answer_that_several_threads_want_at_once_is_one_call(tmp_path: Path) -> None:
    with ScriptedServer(lambda _: completion('{"score": 80}', delay_s=0.02)) as server:
        with judge_at(server, tmp_path, concurrency=8) as judge, ThreadPoolExecutor(8) as pool:
            found = list(pool.map(judge.judge, [[BAD, GOOD[0]], [GOOD[0], BAD]] * 20))
        assert found == [[Judgement(None, "out of range")] * 2] * 40
        assert Counter(map(asked_pair, server.asked)) == {BAD: 1, GOOD[0]: 1}
        assert judge.counts == {"out of range": 80}


def test_a_request_that_failed_brought_no_answer_and_is_asked_again(tmp_path: Path) -> None:
    replies = iter([error(500), scored(0.5)])
    with ScriptedServer(lambda _: next(replies)) as server, judge_at(server, tmp_path, max_retries=0) as judge:
        assert judge.judge([BAD]) == [Judgement(None, "status 500")]
        assert judge.judge([BAD]) == [Judgement(0.5)]


def test_a_score_that_another_process_got_meanwhile_counts_before_an_unusable_answer(tmp_path: Path) -> None:
    replies = iter([completion('{"score": 80}'), scored(0.5)])
    with ScriptedServer(lambda _: next(replies)) as server, judge_at(server, tmp_path) as judge:
        assert judge.judge([BAD]) == [Judgement(None, "out of range")]
        with judge_at(server, tmp_path) as other:
            other.judge([BAD])
        assert judge.judge([BAD]) == [Judgement(0.5)]


@pytest.mark.parametrize(
    ("pair", "judgement", "outcome"),
    [
        pytest.param(Pair("", "flaw"), Judgement(0.0), "empty prediction", id="no prediction"),
        pytest.param(Pair(" \n", "flaw"), Judgement(0.0), "empty prediction", id="blank prediction"),
        pytest.param(Pair("flaw", ""), Judgement(None, "empty reference"), "empty reference", id="no reference"),
        pytest.param(Pair("", "\t"), Judgement(None, "empty reference"), "empty reference", id="neither"),
    ],
)
def test_empty_descriptions_are_not_asked(tmp_path: Path, pair: Pair, judgement: Judgement, outcome: str) -> None:
    found, judge, asked = asked_once(lambda _: scored(1), tmp_path, pair)
    assert (found, judge.counts, asked) == ([judgement], {outcome: 1}, [])


def test_no_pairs(tmp_path: Path) -> None:
    assert asked_once(lambda _: scored(1), tmp_path)[0] == []


def test_what_is_yielded_is_already_kept(tmp_path: Path) -> None:
    with ScriptedServer(lambda _: scored(0.5)) as server, judge_at(server, tmp_path, concurrency=2) as judge:
        for index, _ in judge.iterate(GOOD):
            with Judge(judge.manifest, tmp_path / "judged") as other:
                other.judge([GOOD[index]])
                assert other.counts == {"from cache": 1}


@pytest.mark.parametrize("reply", [error(401), error(404), error(429, code="insufficient_quota")])
def test_a_hopeless_run_stops_at_once(tmp_path: Path, reply: Reply) -> None:
    with ScriptedServer(lambda _: reply) as server, judge_at(server, tmp_path, concurrency=2) as judge:
        for _ in range(2):
            with pytest.raises(StoppedRun):
                judge.judge([Pair(str(n), "flaw") for n in range(50)])
    assert len(server.asked) <= 2 * 4


def test_what_was_answered_before_a_stop_is_kept(tmp_path: Path) -> None:
    def script(asked: Asked) -> Reply:
        return scored(0.5) if asked.number < 5 else error(401)

    with ScriptedServer(script) as server, judge_at(server, tmp_path, concurrency=1) as judge:
        found: list[tuple[int, Judgement]] = []
        with pytest.raises(StoppedRun, match="refuses the key"):
            found.extend(judge.iterate(GOOD))
    with Judge(judge.manifest, tmp_path / "judged") as again:
        assert [index for index, _ in found] == list(range(5))
        assert again.judge(GOOD[:5]) == [Judgement(0.5)] * 5
        assert again.counts == {"from cache": 5}


def test_a_server_that_goes_away_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_chat, "FAILURES_IN_A_ROW", 5)
    with ScriptedServer(lambda _: Reply(drop=True)) as server:
        judge = judge_at(server, tmp_path, concurrency=1, max_retries=0)
        with judge, pytest.raises(StoppedRun, match=r"last 5 requests to .* all failed"):
            judge.judge(GOOD)


def test_threads_share_places_and_equal_pairs(tmp_path: Path) -> None:
    """The harness scores samples in several threads: the bound is the judge's, not the thread's."""
    under_way: list[int] = []

    def script(asked: Asked) -> Reply:
        # The judge counts an answer before its place is free, so this never exceeds what is really under way.
        under_way.append(asked.number + 1 - judge.usage.requests)
        return scored(float(asked_pair(asked).predicted), delay_s=0.04)

    shares = [[Pair(str((start + n) % 30 / 100), "flaw") for n in range(10)] for start in range(0, 48, 2)]
    with ScriptedServer(script) as server, judge_at(server, tmp_path, concurrency=5) as judge:
        with ThreadPoolExecutor(8) as pool:
            for share, found in zip(shares, pool.map(judge.judge, shares), strict=True):
                assert found == [Judgement(float(pair.predicted)) for pair in share]
        assert len([thread for thread in threading.enumerate() if thread.name == "judge"]) == 1
    assert len(server.asked) == 30
    assert 1 < max(under_way) <= 5
    assert judge.counts.total() == 240


def test_a_thread_that_leaves_takes_nothing_from_another(tmp_path: Path) -> None:
    def script(asked: Asked) -> Reply:
        return scored(0.5, delay_s=0 if asked_pair(asked) == GOOD[0] else 1)

    with ScriptedServer(script) as server, judge_at(server, tmp_path) as judge, ThreadPoolExecutor(1) as pool:
        leaving = judge.iterate(GOOD)
        assert next(leaving) == (0, Judgement(0.5))
        stays = pool.submit(judge.judge, GOOD[1:])
        assert judge._thread is not None
        waiting = judge._thread.resource.in_flight.waiting
        while not waiting or min([*waiting.values()], default=0) < 2:
            time.sleep(0.001)
        leaving.close()  # type: ignore[attr-defined]
        assert stays.result() == [Judgement(0.5)] * 11
    assert len(server.asked) == 12


def test_closing_the_iterator_ends_its_requests(tmp_path: Path) -> None:
    many = [Pair(str(n), "flaw") for n in range(2000)]
    with ScriptedServer(lambda _: scored(0.5)) as server, judge_at(server, tmp_path, concurrency=1) as judge:
        answers = judge.iterate(many)
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        assert judge.judge(GOOD) == [Judgement(0.5)] * 12  # and the judge goes on
        assert len(server.asked) < 1000


def test_a_judge_closed_amid_its_work_does_not_complain(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedServer(lambda _: scored(0.5, delay_s=0.02)) as server:
        judge = judge_at(server, tmp_path, concurrency=2)
        answers = judge.iterate([Pair(str(n), "flaw") for n in range(200)])
        next(answers)
        judge.close()
        gc.collect()
        assert not [record for record in caplog.records if record.name == "asyncio"]


@pytest.mark.parametrize("end", [Judge.close, lambda judge: None], ids=["closed", "collected"])
def test_a_judge_leaves_no_thread(tmp_path: Path, end: Callable[[Judge], None]) -> None:
    with ScriptedServer(lambda _: scored(0.5)) as server:
        judge = judge_at(server, tmp_path)
        judge.judge(GOOD)
        end(judge)
        del judge
        gc.collect()
        assert not [thread for thread in threading.enumerate() if thread.name == "judge"]


@pytest.mark.parametrize(
    ("takes", "notices"),
    [
        (("json_schema", "json_object", None), 0),
        (("json_object", None), 1),
        ((None,), 2),
    ],
)
def test_a_server_without_json_schemas(
    tmp_path: Path, takes: tuple[str | None, ...], notices: int, caplog: pytest.LogCaptureFixture
) -> None:
    def script(asked: Asked) -> Reply:
        kind = asked.body.get("response_format", {}).get("type")
        return scored(0.5) if kind in takes else error(400, f"response_format.type {kind!r} is not supported")

    with caplog.at_level(logging.WARNING):
        found, judge, asked = asked_once(script, tmp_path, *GOOD, concurrency=2)
    assert found == [Judgement(0.5)] * 12
    assert asked[-1].body.get("response_format", {}).get("type") == takes[0]
    assert len([record for record in caplog.records if "rejects" in record.message]) == notices
    assert judge.usage.retries == 0


def test_the_manifest_says_which_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert asked_once(lambda _: scored(0.5), tmp_path, GOOD[0])[0] == [Judgement(0.5)]


def test_where_judgements_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QREAL_JUDGE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_path() == tmp_path / "qreal/judgements.sqlite"
    monkeypatch.setenv("QREAL_JUDGE_CACHE", str(tmp_path / "mine"))
    assert cache_path() == tmp_path / "mine"


@pytest.mark.parametrize("name", ["temperature", "seed"])
def test_a_rejected_setting_stops_the_run_and_is_not_dropped(tmp_path: Path, name: str) -> None:
    """The score would be kept under a hash that says the setting was sent."""

    def script(asked: Asked) -> Reply:
        return error(400, f"Unsupported parameter: {name}", param=name) if name in asked.body else scored(0.5)

    with ScriptedServer(script) as server:
        with judge_at(server, tmp_path) as judge, pytest.raises(StoppedRun, match=f"`{name}: null`"):
            judge.judge(GOOD)
        with judge_at(server, tmp_path) as judge:
            assert len(judge._cache) == 0
        manifest = manifest_for(server.url, **{name: None})
        with Judge(manifest, tmp_path / "other.sqlite", first_wait_s=0.001) as judge:
            assert {judgement.score for judgement in judge.judge(GOOD)} == {0.5}
