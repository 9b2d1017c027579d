"""Files that the release before ``qreal_tasks/llm`` wrote are read, and go on, as they are."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import openai
import pytest
from batch_server import BatchServer
from judging import asked_pair, manifest_for, scored

from qreal_tasks.judge.batch import BatchJudge
from qreal_tasks.judge.judge import Judge
from qreal_tasks.judge.pairs import Judgement, Pair
from qreal_tasks.llm.batch.limits import BatchLimits
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error

WRITTEN = Path(__file__).parent / "written_before"
MANIFEST = manifest_for("https://judge.example/v1")
KEPT = {"scored": Judgement(0.75), "refused": Judgement(None, "refused"), "filtered": Judgement(None, "content filter")}


def test_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = shutil.copy(WRITTEN / "judgements.sqlite", tmp_path)
    with sqlite3.connect(cache) as database:
        before = database.execute("SELECT * FROM calls").fetchall()
    with ScriptedServer(lambda _: scored(0.25)) as server:
        monkeypatch.setattr("qreal_tasks.llm.chat.plain_address", lambda _: server.url)
        with Judge(MANIFEST, cache) as judge:
            pairs = [Pair(name, "flaw") for name in (*KEPT, "unusable")]
            assert judge.judge(pairs) == [*KEPT.values(), Judgement(0.25)]
            assert judge.counts == {"from cache": 3, "scored": 1}
        assert [asked_pair(asked).predicted for asked in server.asked] == ["unusable"]
    with sqlite3.connect(cache) as database:
        after = database.execute("SELECT * FROM calls").fetchall()
    assert len(before) == 4
    assert after[:4] == before
    # The columns are where they were: the release before writes rows by their order.
    assert [type(column) for column in after[4]] == [type(column) for column in before[0]]


def test_the_state_of_batches(tmp_path: Path) -> None:
    replies = {"refused": completion(None, refusal="I cannot."), "filtered": error(400, code="content_filter")}

    def script(asked: Asked) -> Reply:
        return replies.get(asked_pair(asked).predicted, scored(0.75))

    state = Path(shutil.copy(WRITTEN / "batches.json", tmp_path))
    with BatchServer(script) as server:
        client = openai.OpenAI(base_url=server.url, api_key="key")
        limits = BatchLimits(0.001)
        pairs = [Pair(name, "flaw") for name in KEPT]
        # The batch that the state names, made by another state.
        with BatchJudge(MANIFEST, tmp_path / "other", limits=limits, client=client) as other:
            other.judge(pairs)
        assert json.loads(state.read_text())["shards"][0]["batch_id"] == "batch_0"
        with BatchJudge(MANIFEST, tmp_path / "cache", limits=limits, client=client, state=state) as judge:
            assert judge.judge([*pairs, Pair("new", "flaw")]) == [*KEPT.values(), Judgement(0.75)]
        assert Counter(asked_pair(asked).predicted for asked in server.asked) == Counter([*KEPT, "new"])
    assert not state.exists()
