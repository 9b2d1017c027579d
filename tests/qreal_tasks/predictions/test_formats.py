"""The same answers in every file that people and harnesses write give the records, numbers and page of the live run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from predicted import (
    WRITERS,
    answers_of,
    as_named,
    assert_equal_runs,
    page_of,
    read,
    rows_of,
    write_kit_results,
    write_rows,
    write_swift_results,
)
from pretend_run import pretend_tasks
from typer.testing import CliRunner
from written_run import write_tasks

from qreal_tasks.cli import app
from qreal_tasks.predictions.scoring import score_predictions
from qreal_tasks.records import GroundingRecord

TRICKY = (
    'A "dog", with;\ttabs\r\nand lines\n\n[{"bbox_2d": [1, 2, 30, 40], "label": "x, y", "description": "é 漢 \u2028"}]'
)
"""Everything that separates cells and rows."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the embedded set, not judged, with an answer that is hard to store."""
    tasks: dict[str, Any] = {
        task: [replace(r, scores=None, judge=None, unjudged={}) if isinstance(r, GroundingRecord) else r for r in some]
        for task, some in pretend_tasks().items()
    }
    folder = write_tasks(tmp_path_factory.mktemp("live"), tasks)
    rows = rows_of(read(folder))
    rows[-1]["prediction"] = TRICKY
    # Through the one function that makes records of predictions: a parser may not read this text as the run had it.
    path = write_rows(tmp_path_factory.mktemp("rows") / "a.jsonl", rows)
    made = score_predictions([path], "mini", "any", out=tmp_path_factory.mktemp("made") / "run")
    again: dict[str, Any] = {task.task: task.records for task in read(made.results_path).tasks}
    return write_tasks(tmp_path_factory.mktemp("live"), again)


@pytest.mark.parametrize("name", WRITERS)
def test_a_table_of_any_kind(name: str, live: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / name, rows_of(read(live)))
    found = score_predictions([path], "mini", "mine", out=tmp_path / "run")
    assert found.missing == 0
    assert len(found.notes) == 1, found.notes
    assert_equal_runs(live, tmp_path / "run")


@pytest.mark.slow
def test_the_report_is_the_same_page(live: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.csv", rows_of(read(live)))
    score_predictions([path], "mini", "mine", out=tmp_path / "run")
    first, second = read(live), read(tmp_path / "run")
    expected = page_of(first, tmp_path / "live.html")
    assert page_of(as_named(second, first), tmp_path / "as_named.html") == expected
    assert b"Answers from a file." in page_of(second, tmp_path / "own.html")


def export(kind: str, out: Path, *arguments: str) -> None:
    done = CliRunner().invoke(app, ["data", kind, "mini", str(out), "--box-space", "pixels", *arguments])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("suffix", ["xlsx", "tsv", "json"])
def test_results_of_vlmevalkit(suffix: str, live: Path, tmp_path: Path) -> None:
    export("export-vlmevalkit", tmp_path / "kit")
    answers = answers_of(read(live))
    paths = [write_kit_results(file, answers, suffix) for file in sorted((tmp_path / "kit").glob("QReal_*.tsv"))]
    found = score_predictions(paths, "mini", "mine", out=tmp_path / "run")
    assert found.missing == 0
    assert_equal_runs(live, tmp_path / "run", probabilities=False)


def test_results_of_swift_infer(live: Path, tmp_path: Path) -> None:
    """It keeps neither ids nor other columns: the words and the picture's name tell the sample and the space."""
    export("prompts", tmp_path / "p.jsonl", "--format", "swift")
    path = write_swift_results(tmp_path / "p.jsonl", answers_of(read(live)), tmp_path / "result.jsonl")
    assert "qreal_" not in path.read_text(encoding="utf-8")
    score_predictions([path], "mini", "mine", out=tmp_path / "run")
    assert_equal_runs(live, tmp_path / "run", probabilities=False)


def test_results_of_openai_batches(live: Path, tmp_path: Path) -> None:
    body = [
        {"id": f"batch_req_{n}", "custom_id": prompt_id, "response": {"status_code": 200, "body": completion(said)}}
        for n, (prompt_id, said) in enumerate(answers_of(read(live)).items())
    ]
    path = write_rows(tmp_path / "a.jsonl", body)
    score_predictions([path], "mini", "mine", out=tmp_path / "run")
    assert_equal_runs(live, tmp_path / "run", probabilities=False)


def completion(text: str) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


def test_a_log_of_inspect_ai_as_json(live: Path, tmp_path: Path) -> None:
    samples = [
        {"id": prompt_id, "epoch": 1, "output": {"completion": said, "choices": []}}
        for prompt_id, said in answers_of(read(live)).items()
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
