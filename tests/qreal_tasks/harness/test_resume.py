"""Runs of both backends in the harness that are killed at random moments and started again."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion
from qreal_tasks.models.tiny import write_tiny_qwen2_5_vl
from qreal_tasks.records import JudgmentRecord
from qreal_tasks.results.run_folder import Run, find_results, read_run
from qreal_tasks.results.score import find_differences, score_run

pytestmark = [
    pytest.mark.harness,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9"),
]

CONCURRENCY = 8
KILLS = 2
REFUSED = "I cannot help with that."


def answer(asked: Asked) -> Reply:
    """Another one for every question, now and then a refusal."""
    digest = hashlib.sha256((asked.text + asked.image_url).encode()).digest()
    if digest[1] < 8:
        return completion(None, refusal=REFUSED)
    p = digest[0] / 256
    if "one word" in asked.text:
        return completion("Yes" if p > 0.5 else "No", {"Yes": 0.9 * p, "No": 0.9 * (1 - p), "I": 0.1}, delay_s=0.01)
    box = {"bbox_2d": [digest[2], digest[3], digest[2] + 300, digest[3] + 300], "label": "dog", "description": "flat"}
    return completion(json.dumps([box]), delay_s=0.01)


@dataclass(frozen=True)
class Backend:
    """One of ours, by name, and its arguments but the store."""

    name: str
    arguments: str

    def start(self, folder: Path) -> subprocess.Popen[str]:
        """A run over rows of the embedded set that keeps answers and log in ``folder``."""
        folder.mkdir(exist_ok=True)
        arguments = f"{self.arguments},store={folder / 'answers.sqlite'}"
        command = [str(Path(sys.executable).parent / "lmms-eval"), "--model", self.name, "--model_args", arguments]
        return subprocess.Popen(
            [*command, "--tasks", "qreal", "--limit", "40", "--output_path", str(folder), "--log_samples"],
            stdout=(folder / "log").open("a"),
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OPENAI_API_KEY": ""},
        )

    def finish(self, folder: Path) -> Run:
        """A run to its end."""
        self.start(folder).wait(timeout=300)
        assert list(folder.rglob("*_results.json")), (folder / "log").read_text()[-4000:]
        run = read_run(find_results(folder)[-1])
        assert find_differences(run, score_run(run, resamples=0)) == []
        return run

    def kill(self, folder: Path, at: int) -> None:
        """Start a run and kill it once so many answers are stored."""
        process = self.start(folder)
        deadline = time.monotonic() + 200
        while answers_in(folder) < at and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        assert process.poll() is None, f"ended before {at} answers: {(folder / 'log').read_text()[-4000:]}"
        process.kill()
        process.wait(timeout=30)


def answers_in(folder: Path) -> int:
    path = folder / "answers.sqlite"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as db:
        try:
            return int(db.execute("SELECT count(*) FROM answers").fetchone()[0])
        except sqlite3.OperationalError:  # the table is not there yet
            return 0


def records_of(run: Run) -> dict[str, bytes]:
    """The sample records of each task, in the order of the rows."""
    samples = {}
    for path in sorted(run.results_path.parent.glob("*_samples_*.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        records = [json.dumps(row["records"]) for row in sorted(rows, key=lambda row: row["doc_id"])]
        samples[path.name.split("_samples_")[1]] = "\n".join(records).encode()
    return samples


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(answer) as server:
        yield server


@pytest.fixture(params=["qreal_hf", "qreal_openai"])
def backend(request: pytest.FixtureRequest, server: ScriptedServer, tmp_path: Path) -> Backend:
    if request.param == "qreal_openai":
        return Backend("qreal_openai", f"model=scripted,base_url={server.url},concurrency={CONCURRENCY}")
    write_tiny_qwen2_5_vl(tmp_path / "tiny")
    return Backend("qreal_hf", f"pretrained={tmp_path / 'tiny'},min_pixels=3136")


def test_a_run_killed_twice_ends_with_the_same_records(
    backend: Backend, server: ScriptedServer, tmp_path: Path
) -> None:
    whole = backend.finish(tmp_path / "whole")
    total, asked = answers_in(tmp_path / "whole"), len(server.asked)
    judged = [r for task in whole.tasks for r in task.records if isinstance(r, JudgmentRecord)]
    assert all(task.live["auc"] is not None for task in whole.tasks if "objectqa" in task.task)
    assert all(r.p_yes is not None for r in judged if r.answer is not None)
    server.asked.clear()

    moments = sorted(random.Random(backend.name).sample(range(1, total - 2 * CONCURRENCY), KILLS))
    for moment in moments:
        backend.kill(tmp_path / "killed", at=moment)
    assert moments[-1] <= answers_in(tmp_path / "killed") < total
    assert records_of(backend.finish(tmp_path / "killed")) == records_of(whole)
    assert answers_in(tmp_path / "killed") == total
    if backend.name == "qreal_openai":
        assert {r.reason for r in judged if r.answer is None} == {"refused"}
        assert all(r.mass == pytest.approx(0.9) for r in judged if r.answer is not None)
        # Only what was under way at a kill was asked again.
        assert asked <= len(server.asked) <= asked + KILLS * 2 * CONCURRENCY
