"""A run from a file is compared, judged and submitted like any other; a submission says where its answers came from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from predicted import WRITERS, Row, read
from refusing import qreal
from small_set import small_rows, write_hub_layout

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.leaderboard.board.board import build_board
from qreal_tasks.leaderboard.board.cache import CheckCache
from qreal_tasks.leaderboard.board.site import write_site
from qreal_tasks.leaderboard.submission.references import load_references
from qreal_tasks.records import GroundingRecord
from qreal_tasks.results.rejudge import rejudge


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hub_layout(tmp_path_factory.mktemp("data"), small_rows())


def answers(p_yes: float = 0.75) -> list[Row]:
    rows: list[Row] = []
    for name in QUESTION_NAMES:
        for at, row in enumerate(small_rows()["objectqa"]["test"]):
            result = {"prediction": "No", "p_yes": 1 - p_yes} if at % 2 else {"prediction": "Yes", "p_yes": p_yes}
            rows.append({"id": f"qreal_objectqa_{name}:{row['entity_id']}", **result})
    box = '[{"bbox_2d": [100, 125, 400, 625], "label": "dog", "description": "flat"}]'
    for row in small_rows()["imageqa"]["test"]:
        sets = ("realism", "plausibility", *(("human_plausibility",) if row["is_portrait"] else ()))
        rows += [{"id": f"qreal_imageqa_{name}@norm1000:{row['image_id']}", "prediction": box} for name in sets]
    return rows


def score(rows: list[Row], data: Path, out: Path, name: str = "answers.jsonl") -> Path:
    path = out.with_name(name)
    path.write_bytes(WRITERS["a.jsonl"](rows))
    given = ("--predictions", path, "--data", data, "--model", "org/My-Model", "--out", out, "--resamples", "0")
    status, result = qreal("score", *given)
    assert status in (0, 1), result
    return out


def pack(run: Path, data: Path, out: Path) -> dict[str, object]:
    status, result = qreal("submit", "pack", run, out, "--name", "Mine", "--data", data)
    assert status == 0, result
    manifest: dict[str, object] = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def test_a_submission_says_where_its_answers_came_from(data: Path, tmp_path: Path) -> None:
    run = score(answers(), data, tmp_path / "run")
    manifest = pack(run, data, tmp_path / "board" / "mine")
    assert manifest["halves"] == ["objectqa", "imageqa"]
    assert manifest["model"] == {"name": "org/My-Model", "revision": None, "adapter": None, "arguments": {}}
    backend = manifest["backend"]
    assert isinstance(backend, dict)
    assert (backend["name"], backend["harness"]) == ("predictions", None)
    origin = read(run).origin
    assert origin is not None
    rows, digest = len(answers()), origin.files[0].sha256
    assert manifest["answers"] == {
        "files": [{"name": "answers.jsonl", "sha256": digest, "rows": rows}],
        "missing": 0,
    }
    board = build_board(tmp_path / "board", load_references(str(data)), CheckCache(tmp_path / "cache"), None)
    [entry] = board.entries
    assert any("the answers were read from answers.jsonl" in note for note in entry.notes)
    write_site(board, tmp_path / "site", "Board")
    pages = "".join(page.read_text(encoding="utf-8") for page in (tmp_path / "site").rglob("*.html"))
    assert f"answers.jsonl ({rows} rows)" in pages


def test_exports_say_it_too(data: Path, tmp_path: Path) -> None:
    run = score(answers(), data, tmp_path / "run")
    given = ("--model-card", tmp_path / "card.md", "--every-eval-ever", tmp_path / "eee", "--dataset", "org/set")
    status, result = qreal("submit", "export", run, *given)
    assert status == 0, result
    assert "The answers were read from a file" in (tmp_path / "card.md").read_text(encoding="utf-8")
    [path] = (tmp_path / "eee").rglob("*.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["eval_library"]["name"], content["model_info"]["id"]) == ("qreal-bench", "org/My-Model")


def test_what_is_missing_is_in_the_submission_too(data: Path, tmp_path: Path) -> None:
    run = score(answers()[1:], data, tmp_path / "run")
    result = pack(run, data, tmp_path / "mine")["answers"]
    assert isinstance(result, dict)
    assert result["missing"] == 1


def test_a_name_that_may_say_where_a_file_lies_is_not_published(data: Path, tmp_path: Path) -> None:
    run = score(answers(), data, tmp_path / "run", name="10.0.0.7:8000 answers.jsonl")
    result = pack(run, data, tmp_path / "mine")["answers"]
    assert isinstance(result, dict)
    assert result["files"][0]["name"] == "file 1"


def test_part_of_the_samples_is_no_submission(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(WRITERS["a.jsonl"](answers()[1:]))
    given = ("--predictions", path, "--data", data, "--model", "m", "--out", tmp_path / "run", "--only-answered")
    assert qreal("score", *given)[0] == 0
    status, result = qreal("submit", "pack", tmp_path / "run", tmp_path / "mine", "--name", "Mine", "--data", data)
    assert status == 1
    assert "so it is partial; a submission has all samples" in result


def test_p_without_its_mass_is_taken_from_files_alone(data: Path, tmp_path: Path) -> None:
    """A live run has both: there a mass that is missing was taken out."""
    run = score(answers(), data, tmp_path / "run")
    results = next(run.glob("*_results.json"))
    content = json.loads(results.read_text(encoding="utf-8"))
    del content["qreal_predictions"]
    results.write_text(json.dumps(content), encoding="utf-8")
    status, result = qreal("submit", "pack", run, tmp_path / "mine", "--name", "Mine", "--data", data)
    assert status == 1
    assert "mass is None, expected both or neither" in result


def test_an_origin_that_is_none_is_refused(data: Path, tmp_path: Path) -> None:
    run = score(answers(), data, tmp_path / "run")
    results = next(run.glob("*_results.json"))
    content = json.loads(results.read_text(encoding="utf-8"))
    content["qreal_predictions"]["files"] = "mine"
    results.write_text(json.dumps(content), encoding="utf-8")
    status, result = qreal("score", run)
    assert status == 1
    assert "qreal_predictions" in result


def _scored(record: GroundingRecord) -> GroundingRecord:
    pairs = min(len(record.predicted), len(record.reference))
    return replace(record, scores=(0.5,) * pairs, judge="j@0")


def test_runs_from_files_are_compared_and_judged(data: Path, tmp_path: Path) -> None:
    first, second = score(answers(), data, tmp_path / "first"), score(answers(0.6), data, tmp_path / "second")
    status, result = qreal("compare", first, second, "--resamples", "20")
    assert status == 0, result
    run = read(first)
    judged = rejudge(run, lambda records: [_scored(one) for one in records], {"name": "j"})
    assert judged == len(run.groundings())
    assert read(first).judges == ("j@0",)
    assert read(first).origin == run.origin
    assert qreal("score", first, "--resamples", "0")[0] == 0
