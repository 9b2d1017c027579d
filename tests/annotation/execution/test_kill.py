"""``kill -9`` at any moment, and started again."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import whole_run
from annotating import all_bytes, answer, config_for, item_digest, write_pictures

from annotation.config import dump_config
from annotation.run.chain import AFTER
from annotation.run.folder import RunFolder
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer

pytestmark = pytest.mark.harness  # whose process has torch and transformers imported, too

CONCURRENCY = 4
KILLED_IN = ("entities", "detection", "judgment", "imageqa")
"""Two stages that ask and two that compute, from the first to nearly the last."""


def slowly(asked: Asked) -> Reply:
    return Reply(answer(asked).body, delay_s=0.02)


def last_stage(run: Path) -> str:
    """The stage that the run had begun last."""
    path = run / "progress.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    result = [json.loads(line) for line in lines if line.endswith("}")]
    return str(result[-1]["stage"]) if result else "intake"


def answered(run: Path) -> set[str]:
    """Keys of the calls that the record holds."""
    if not (run / "calls.sqlite").exists():
        return set()
    with sqlite3.connect(run / "calls.sqlite") as db:
        tables = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'calls'").fetchone()[0]
        return {key for (key,) in db.execute("SELECT key FROM calls WHERE kept")} if tables else set()


def wait_for(stage: str, run: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the stage has begun, or the run has ended."""
    order = list(AFTER)
    while process.poll() is None and order.index(last_stage(run)) < order.index(stage):
        time.sleep(0.003)


def test_kills_in_several_stages_leave_the_records_of_an_uninterrupted_run(tmp_path: Path, models: Path) -> None:
    """Each at a random moment. What was answered and recorded is never asked again; only what was under way at a kill
    is. All stages write their shards and answers by the same code."""
    write_pictures(tmp_path / "images", 24)
    chance = random.Random(6)
    killed_in: Counter[str] = Counter()
    with ScriptedServer(slowly) as server:
        config = config_for(server.url, models, images_per_shard=2, language_model={"concurrency": CONCURRENCY})
        (tmp_path / "config.yaml").write_text(dump_config(config), encoding="utf-8")

        def start(name: str) -> subprocess.Popen[bytes]:
            given = [str(tmp_path / one) for one in ("images", name, "config.yaml")]
            return subprocess.Popen([sys.executable, whole_run.__file__, *given])

        assert start("whole").wait() == 0
        server.asked.clear()
        before: set[str] = set()
        for stage in KILLED_IN:
            process = start("killed")
            wait_for(stage, tmp_path / "killed", process)
            time.sleep(chance.uniform(0, 0.1))
            process.kill()
            killed_in[last_stage(tmp_path / "killed")] += process.wait() == -signal.SIGKILL
            assert before <= answered(tmp_path / "killed")  # what was recorded stays
            before = answered(tmp_path / "killed")
        assert start("killed").wait() == 0
        again = [n - 1 for n in Counter(map(item_digest, server.asked)).values()]

    kills = killed_in.total()
    print(f"{kills} kills, in {dict(killed_in)}; {sum(again)} calls were under way at a kill and made again")
    assert all_bytes(RunFolder(tmp_path / "killed")) == all_bytes(RunFolder(tmp_path / "whole"))
    with sqlite3.connect(tmp_path / "killed" / "calls.sqlite") as db:
        repeated = db.execute("SELECT key FROM calls GROUP BY key HAVING count(*) > 1").fetchall()
    assert repeated == []  # a recorded answer that was asked for again would be recorded again
    assert sum(again) <= kills * CONCURRENCY
    assert kills >= 3  # the last stage is short: a kill may come too late
    assert len(killed_in) >= 3
