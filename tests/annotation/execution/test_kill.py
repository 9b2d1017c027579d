"""``kill -9`` at any moment, and started again."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest
import whole_run
from annotating import all_bytes, answer, config_for, item_digest, write_pictures

from annotation.run.chain import AFTER
from annotation.run.folder import RunFolder
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer

pytestmark = pytest.mark.slow

CONCURRENCY = 4


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


def wait_for(stage: str, run: Path, process: multiprocessing.process.BaseProcess) -> None:
    """Until the stage has begun, or the run has ended."""
    order = list(AFTER)
    while process.exitcode is None and order.index(last_stage(run)) < order.index(stage):
        time.sleep(0.003)


def test_a_kill_in_every_stage_leaves_the_records_of_an_uninterrupted_run(tmp_path: Path, models: Path) -> None:
    """Ten kills, one in each stage at a random moment. What was answered and recorded is never asked again; only what
    was under way at a kill is."""
    images = write_pictures(tmp_path / "images", 24)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(whole_run.PRELOADED)
    chance = random.Random(6)
    killed_in: Counter[str] = Counter()
    with ScriptedServer(slowly) as server:
        config = config_for(server.url, models, images_per_shard=2, language_model={"concurrency": CONCURRENCY})

        def start(name: str) -> multiprocessing.process.BaseProcess:
            process = context.Process(target=whole_run.go, args=(str(images), str(tmp_path / name), config))
            process.start()
            return process

        whole = start("whole")
        whole.join()
        assert whole.exitcode == 0
        server.asked.clear()
        before: set[str] = set()
        for stage in AFTER:
            process = start("killed")
            wait_for(stage, tmp_path / "killed", process)
            time.sleep(chance.uniform(0, 0.1))
            process.kill()
            process.join()
            killed_in[last_stage(tmp_path / "killed")] += process.exitcode == -signal.SIGKILL
            assert before <= answered(tmp_path / "killed")  # what was recorded stays
            before = answered(tmp_path / "killed")
        last = start("killed")
        last.join()
        assert last.exitcode == 0
        again = [n - 1 for n in Counter(map(item_digest, server.asked)).values()]

    kills = killed_in.total()
    print(f"{kills} kills, in {dict(killed_in)}; {sum(again)} calls were under way at a kill and made again")
    assert all_bytes(RunFolder(tmp_path / "killed")) == all_bytes(RunFolder(tmp_path / "whole"))
    with sqlite3.connect(tmp_path / "killed" / "calls.sqlite") as db:
        repeated = db.execute("SELECT key FROM calls GROUP BY key HAVING count(*) > 1").fetchall()
    assert repeated == []  # a recorded answer that was asked for again would be recorded again
    assert sum(again) <= kills * CONCURRENCY
    assert kills >= 8  # the last stages are short: a kill may come too late
    assert len(killed_in) >= 5
