"""The backend ``qreal_openai`` in the harness, against a server that answers differently for every question."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripted_openai import Asked, Reply, ScriptedServer, completion

from qreal_tasks.records import JudgmentRecord
from qreal_tasks.report.run_folder import find_results, read_run
from qreal_tasks.report.score import differences, score_run

pytestmark = pytest.mark.harness

CONCURRENCY = 8
REFUSED = "I cannot help with that."


def answer(asked: Asked) -> Reply:
    digest = hashlib.sha256((asked.text + asked.image_url).encode()).digest()
    if digest[1] < 8:
        return completion(None, refusal=REFUSED)
    p = digest[0] / 256
    if "one word" in asked.text:
        return completion("Yes" if p > 0.5 else "No", {"Yes": 0.9 * p, " no": 0.9 * (1 - p), "I": 0.1}, delay_s=0.01)
    box = {"bbox_2d": [digest[2], digest[3], digest[2] + 300, digest[3] + 300], "label": "dog", "description": "flat"}
    return completion(json.dumps([box]), delay_s=0.01)


def start(folder: Path, server: ScriptedServer) -> subprocess.Popen[str]:
    arguments = f"model=scripted,base_url={server.url},concurrency={CONCURRENCY},store={folder / 'answers.sqlite'}"
    return subprocess.Popen(
        [
            *(str(Path(sys.executable).parent / "lmms-eval"), "--model", "qreal_openai", "--model_args", arguments),
            *("--tasks", "qreal", "--output_path", str(folder), "--log_samples"),
        ],
        stdout=(folder / "log").open("a"),
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": ""},
    )


def finish(folder: Path, server: ScriptedServer) -> dict[str, bytes]:
    """Run to the end; the sample records of each task, as bytes."""
    folder.mkdir(exist_ok=True)
    process = start(folder, server)
    process.wait(timeout=300)
    assert list(folder.rglob("*_results.json")), (folder / "log").read_text()[-4000:]
    run = read_run(find_results(folder)[-1])
    assert differences(run, score_run(run, resamples=0)) == []
    samples = {}
    for path in sorted(run.results_path.parent.glob("*_samples_*.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        records = [json.dumps(row["records"]) for row in sorted(rows, key=lambda row: row["doc_id"])]
        samples[path.name.split("_samples_")[1]] = "\n".join(records).encode()
    return samples


def test_a_killed_run_goes_on_and_ends_with_the_same_records(tmp_path: Path) -> None:
    with ScriptedServer(answer) as server:
        whole = finish(tmp_path / "whole", server)
        run = read_run(find_results(tmp_path / "whole")[-1])
        questions = len({(asked.text, asked.image_url) for asked in server.asked})
        assert len(server.asked) == questions

        judged = [r for task in run.tasks for r in task.records if isinstance(r, JudgmentRecord)]
        answered = [r for r in judged if r.answer is not None]
        assert all(r.p_yes is not None and (r.p_yes > 0.5) == (r.answer == "Yes") for r in answered)
        assert all(r.mass == pytest.approx(0.9) for r in answered)
        assert {r.reason for r in judged if r.answer is None} == {"refused"}
        assert all(task.live["auc"] is not None for task in run.tasks if "objectqa" in task.task)

    with ScriptedServer(answer) as server:
        folder = tmp_path / "killed"
        folder.mkdir()
        process = start(folder, server)
        deadline = time.monotonic() + 200
        while len(server.asked) < questions // 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        assert len(server.asked) < questions, "the run ended before it was killed"
        assert finish(folder, server) == whole
        # Only what was under way at the kill was asked again.
        assert len(server.asked) <= questions + 2 * CONCURRENCY
