"""Files of batches and logs, halves and several files: the records and numbers of the live run.

The other formats are in ``tests/qreal_tasks/harness/test_predictions.py``, against a run of the harness.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from predicted import answers_of, assert_equal_runs, read, rows_of, write_rows
from pretend_run import pretend_tasks
from written_run import write_tasks

from qreal_tasks.predictions.scoring import score_predictions
from qreal_tasks.records import GroundingRecord


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the embedded set, not judged."""
    tasks: dict[str, Any] = {
        task: [replace(r, scores=None, judge=None, unjudged={}) if isinstance(r, GroundingRecord) else r for r in some]
        for task, some in pretend_tasks().items()
    }
    return write_tasks(tmp_path_factory.mktemp("live"), tasks)


def test_results_of_openai_batches(live: Path, tmp_path: Path) -> None:
    body = [
        {"id": f"batch_req_{n}", "custom_id": prompt_id, "response": {"status_code": 200, "body": completion(result)}}
        for n, (prompt_id, result) in enumerate(answers_of(read(live)).items())
    ]
    path = write_rows(tmp_path / "a.jsonl", body)
    score_predictions([path], "mini", "mine", out=tmp_path / "run")
    assert_equal_runs(live, tmp_path / "run", probabilities=False)


def completion(text: str) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


def test_a_log_of_inspect_ai_as_json(live: Path, tmp_path: Path) -> None:
    samples = [
        {"id": prompt_id, "epoch": 1, "output": {"completion": result, "choices": []}}
        for prompt_id, result in answers_of(read(live)).items()
    ]
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"version": 2, "status": "success", "samples": samples}, indent=2), encoding="utf-8")
    score_predictions([path], "mini", "mine", out=tmp_path / "run")
    assert_equal_runs(live, tmp_path / "run", probabilities=False)


@pytest.mark.parametrize("half", ["entity_id", "image_id"])
def test_one_half_alone(half: str, live: Path, tmp_path: Path) -> None:
    rows = [row for row in rows_of(read(live)) if row[half]]
    score_predictions([write_rows(tmp_path / "a.csv", rows)], "mini", "mine", out=tmp_path / "run")
    of_half = {task.task for task in read(live).tasks if ("_objectqa_" in task.task) is (half == "entity_id")}
    found = {task.task: dict(task.live) for task in read(tmp_path / "run").tasks}
    assert found == {task.task: dict(task.live) for task in read(live).tasks if task.task in of_half}


def test_several_files_are_one_run(live: Path, tmp_path: Path) -> None:
    rows = rows_of(read(live))
    paths = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        paths.append(write_rows(tmp_path / str(number) / "a.csv", rows[number::3]))
    score_predictions(paths, "mini", "mine", out=tmp_path / "run")
    assert_equal_runs(live, tmp_path / "run")
