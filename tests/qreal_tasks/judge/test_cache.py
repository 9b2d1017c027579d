"""The judge's cache: what is kept, what is only logged, several processes, runs killed in the middle."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from judging import asked_pair, scored

from qreal_tasks.files.sqlite_file import StoreError
from qreal_tasks.judge.cache import JudgeCache
from qreal_tasks.judge.manifest import load_manifest
from qreal_tasks.judge.pairs import Judgement, Pair
from qreal_tasks.judge.question import PairQuestion
from qreal_tasks.llm.calls import Call
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion
from qreal_tasks.llm.usage import Prices
from qreal_tasks.models.store import AnswerStore


def question(pair: Pair, judge_hash: str = "m") -> PairQuestion:
    return PairQuestion(load_manifest("gpt-4o"), judge_hash, pair)


PAIR = question(Pair("six fingers", "one finger too many"))


def call(reply: Reply, prices: Prices | None = None) -> Call[Judgement]:
    return Call.of(PAIR, reply.body, prices)


def rows(path: Path) -> list[dict[str, Any]]:
    """The log as a person would query it."""
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM calls ORDER BY id")]


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        pytest.param(scored(0.1 + 0.2), True, id="score"),
        pytest.param(completion(None, refusal="no"), True, id="refusal"),
        pytest.param(completion(None, finish_reason="content_filter"), True, id="content filter"),
        pytest.param(completion('{"sc', finish_reason="length"), False, id="truncated"),
        pytest.param(completion("0.5"), False, id="no score"),
        pytest.param(completion("about a half"), False, id="malformed"),
        pytest.param(completion('{"score": 7}'), False, id="out of range"),
        pytest.param(completion(""), False, id="empty"),
    ],
)
def test_scores_and_decisions_are_kept_and_every_call_is_logged(tmp_path: Path, reply: Reply, kept: bool) -> None:
    answered, path = call(reply), tmp_path / "new" / "judged.sqlite"
    with JudgeCache(path) as cache:
        assert cache.put(PAIR, answered) == answered.answer
    with JudgeCache(path) as cache:
        found = cache.get_many([PAIR.key, "missing"])
        assert found == ({PAIR.key: answered.answer} if kept else {})
        assert len(cache) == 1


def test_the_log_says_what_was_asked_answered_and_paid(tmp_path: Path) -> None:
    spent = {"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 400}}
    answered = call(scored(0.5, usage=spent), Prices(input=2.5, cached_input=1.25, output=10))
    with JudgeCache(tmp_path / "c") as cache:
        cache.put(PAIR, answered)
        cache.put(question(Pair("b", "c")), Call(Judgement(None, "content filter")))
    row, filtered = rows(tmp_path / "c")
    assert (row["manifest"], json.loads(row["pair"])) == ("m", [PAIR.pair.predicted, PAIR.pair.reference])
    assert (row["score"], row["reason"]) == (0.5, None)
    assert json.loads(row["answer"])["content"] == '{"score": 0.5}'
    assert (row["model"], row["system_fingerprint"]) == ("scripted-1", "fp_1")
    assert (row["prompt_tokens"], row["cached_tokens"], row["completion_tokens"]) == (1000, 400, 10)
    assert row["cost_usd"] == pytest.approx((600 * 2.5 + 400 * 1.25 + 10 * 10) / 1e6)
    assert row["answered_at"].endswith("+00:00")
    assert (filtered["reason"], filtered["model"], filtered["cost_usd"]) == ("content filter", None, None)


def test_the_key_depends_on_manifest_and_both_texts() -> None:
    pairs = [Pair("a", "b"), Pair("b", "a"), Pair("ab", ""), Pair("a", "b "), Pair('a", "b', "")]
    keys = {question(pair, judge).key for pair in pairs for judge in ("m", "n")}
    assert len(keys) == 2 * len(pairs)


def test_the_first_kept_judgement_counts_and_both_are_logged(tmp_path: Path) -> None:
    with JudgeCache(tmp_path / "c") as one, JudgeCache(tmp_path / "c") as two:
        assert one.put(PAIR, call(completion("about a half"))) == Judgement(None, "malformed JSON")
        assert one.put(PAIR, call(scored(0.5))) == Judgement(0.5)
        assert two.put(PAIR, call(scored(0.75))) == Judgement(0.5)
        assert two.get_many([PAIR.key]) == {PAIR.key: Judgement(0.5)}
        assert len(two) == 3


def test_text_that_no_encoding_can_hold(tmp_path: Path) -> None:
    half = Pair("half an emoji \ud83d", "\udc00")
    reply = completion('{"score": 1}')
    assert isinstance(reply.body, dict)
    reply.body["choices"][0]["message"]["note"] = reply.body["model"] = "\ud83d"
    with JudgeCache(tmp_path / "c") as cache:
        cache.put(question(half), call(reply))
        assert cache.get_many([question(half).key]) == {question(half).key: Judgement(1.0)}
    assert json.loads(rows(tmp_path / "c")[0]["pair"]) == [half.predicted, half.reference]


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE mine (x)")


@pytest.mark.parametrize(
    ("make", "result"),
    [
        pytest.param(foreign_database, "belongs to another program or version; give .* judge cache", id="foreign"),
        pytest.param(lambda path: AnswerStore(path).close(), "belongs to another program", id="answers"),
        pytest.param(lambda path: path.write_text("notes, " * 999), "is no judge cache or is damaged", id="text"),
        pytest.param(lambda path: path.mkdir(), "cannot be used", id="folder"),
    ],
)
def test_another_file_is_refused_and_left_alone(tmp_path: Path, make: Any, result: str) -> None:
    path = tmp_path / "judged.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=f"judged.sqlite {result}"):
        JudgeCache(path)
    if path.is_file():
        assert path.read_bytes() == before


RUN = """
import sys
from judging import manifest_for
from qreal_tasks.judge.judge import Judge
from qreal_tasks.judge.pairs import Pair

path, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Judge(manifest_for(url), path, concurrency=8, first_wait_s=0.001) as judge:
    for judgement in judge.judge([Pair(str(n), "reference") for n in range(count)]):
        print(judgement)
"""


def start(path: Path, url: str, count: int) -> subprocess.Popen[str]:
    support = str(Path(__file__).parents[2] / "support")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([support, os.environ.get("PYTHONPATH", "")])}
    arguments = [sys.executable, "-c", RUN, str(path), url, str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)


def by_number(asked: Asked) -> Reply:
    return scored(int(asked_pair(asked).predicted) * 37 % 101 / 100, delay_s=0.02)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_killed_runs_go_on_where_they_stopped(tmp_path: Path) -> None:
    count, rng = 300, random.Random(11)
    with ScriptedServer(by_number) as server:
        whole, _ = start(tmp_path / "whole", server.url, count).communicate(timeout=120)
        assert whole.count("Judgement") == count
        server.asked.clear()
        path, kept = tmp_path / "killed", set[str]()
        for _ in range(2):
            at_start = len(server.asked)
            run = start(path, server.url, count)
            while len(server.asked) == at_start:
                time.sleep(0.005)
            time.sleep(rng.uniform(0.02, 0.2))
            run.kill()
            run.communicate(timeout=30)
            asked_now = {asked_pair(asked).predicted for asked in server.asked[at_start:]}
            assert not kept & asked_now, "asked although it was kept"
            kept = {json.loads(row["pair"])[0] for row in rows(path)}
        at_start = len(server.asked)
        resumed, _ = start(path, server.url, count).communicate(timeout=120)
        assert len(server.asked) - at_start == count - len(kept)
    assert 0 < len(kept) < count
    assert resumed == whole
    # Asked twice is only what was under way in one of the two kills: 8 places, and what had just come back.
    assert len(server.asked) <= count + 2 * 16


@pytest.mark.slow
def test_several_processes_share_a_file(tmp_path: Path) -> None:
    with ScriptedServer(by_number) as server:
        runs = [start(tmp_path / "c", server.url, 150) for _ in range(3)]
        outputs = {run.communicate(timeout=120)[0] for run in runs}
    assert len(outputs) == 1
    assert outputs.pop().count("Judgement") == 150
