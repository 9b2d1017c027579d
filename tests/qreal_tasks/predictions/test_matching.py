"""Predictions held against the dataset: what is missing, of no sample or there twice is said, and what is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from predicted import WRITERS, Row, read
from refusing import qreal
from small_set import Rows, small_rows, write_hub_layout

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, QUESTIONS, Style, objectqa_prompt
from qreal_tasks.predictions.names import find_name
from qreal_tasks.predictions.scoring import score_predictions
from qreal_tasks.records import GroundingRecord, JudgmentRecord
from qreal_tasks.results.lints import Level, find_lints
from qreal_tasks.results.score import score_run

ENTITIES = [row["entity_id"] for row in small_rows()["objectqa"]["test"]]
IMAGES = [row["image_id"] for row in small_rows()["imageqa"]["test"]]
TRAINED = small_rows()["objectqa"]["train"][0]["entity_id"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hub_layout(tmp_path_factory.mktemp("data"), small_rows())


@pytest.fixture
def score(data: Path, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    def run(rows: list[Row], *arguments: str, name: str = "a.jsonl", on: Path = data) -> tuple[int, str]:
        (tmp_path / name).write_bytes(WRITERS[name](rows))
        given = ("--predictions", str(tmp_path / name), "--data", str(on), "--out", str(tmp_path / "run"))
        return qreal("score", *given, "--model", "my/model", "--resamples", "0", *arguments)

    return run


def answers(ids: list[str], **cells: Any) -> list[Row]:
    return [{"entity_id": one, "question": "realism_q1", "prediction": "Yes", **cells} for one in ids]


def judgments(folder: Path) -> list[JudgmentRecord]:
    return read(folder).judgments()


def test_all_of_one_question(score: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    status, result = score(answers(ENTITIES))
    assert status == 0, result
    run = read(tmp_path / "run")
    assert [task.task for task in run.tasks] == ["qreal_objectqa_realism_q1"]
    assert [record.entity_id for record in judgments(tmp_path / "run")] == ENTITIES
    assert (run.model, run.model_args, run.limit) == ("predictions", "model=my/model", None)
    assert "not in the file, so not in the run: qreal_objectqa_realism_q2, " in result
    assert "qreal_imageqa_human_plausibility" in result


def test_missing_samples_count_as_unanswered_and_end_with_status_1(
    score: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    status, result = score(answers(ENTITIES[2:]))
    assert status == 1
    assert f"2 of {len(ENTITIES)} samples have no prediction ({ENTITIES[0]}, {ENTITIES[1]}): they count" in result
    assert "incomplete: 2 samples have no prediction" in result
    found = judgments(tmp_path / "run")
    assert [(r.answer, r.reason) for r in found[:2]] == [(None, "no prediction in the file")] * 2
    assert len(found) == len(ENTITIES)
    run = read(tmp_path / "run")
    assert run.origin is not None
    assert (run.origin.missing, run.origin.left_out) == (2, 0)
    lints = {lint.title: lint for lint in find_lints(score_run(run, resamples=0))}
    assert lints["Incomplete run."].level is Level.ERROR
    assert "2 answers had no line in the file" in lints["Answers that could not be read."].text


def test_only_the_answered_make_a_partial_run(score: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    status, result = score(answers(ENTITIES[2:]), "--only-answered")
    assert status == 0, result
    assert "they are left out: the run is partial" in result
    run = read(tmp_path / "run")
    assert [record.entity_id for record in judgments(tmp_path / "run")] == ENTITIES[2:]
    assert run.limit == pytest.approx((len(ENTITIES) - 2) / len(ENTITIES), abs=1e-6)
    [partial] = [one for one in find_lints(score_run(run, resamples=0)) if one.title == "Partial run."]
    assert "scored on 66.7% of the samples" in partial.text


def test_strange_samples_are_left_out_and_said(score: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    status, result = score(answers([*ENTITIES, "other#0", TRAINED]))
    assert status == 0, result
    expected = f"2 ids are of no sample of the test split (other#0, {TRAINED}): left out; 1 of them are of the train"
    assert expected in result
    assert len(judgments(tmp_path / "run")) == len(ENTITIES)


def test_equal_repetitions_are_read_once(score: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    status, result = score(answers([*ENTITIES, ENTITIES[0]]))
    assert status == 0, result
    assert f"1 samples are there more than once with the same answer ({ENTITIES[0]}): read once" in result
    assert len(judgments(tmp_path / "run")) == len(ENTITIES)


def numbered_rows() -> Rows:
    """The small set with ids that are numbers: of images 0000007 and so on."""
    rows = small_rows()
    for some in (some for splits in rows.values() for some in splits.values()):
        for row in some:
            picture = row.pop("image")
            row |= {**json.loads(json.dumps(row).replace('"img', '"000000')), "image": picture}
    return rows


@pytest.mark.parametrize(("name", "typed"), [("a.xlsx", int), ("a.parquet", float), ("a.csv", int), ("a.csv", str)])
def test_ids_that_lost_their_zeros(
    name: str, typed: type, score: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    on = write_hub_layout(tmp_path / "numbered", numbered_rows())
    ids = [row["image_id"] for row in numbered_rows()["imageqa"]["test"]]
    assert ids[0] == "0000002"
    rows = [{"image_id": typed(one), "set": "realism", "prediction": "[]"} for one in ids]
    status, result = score(rows, name=name, on=on)
    assert status == 0, result
    assert ("ids are numbers, and were matched without their leading zeros" in result) is (typed is not str)
    assert [record.image_id for record in read(tmp_path / "run").groundings()] == ids


@pytest.mark.parametrize("nothing", ["", None, float("nan"), "  \n"])
def test_empty_answers_are_answers_that_cannot_be_read(
    nothing: Any, score: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    rows = answers(ENTITIES)
    rows[1]["prediction"] = nothing
    status, result = score(rows)
    assert status == 0, result
    assert "qreal_objectqa_realism_q1: 1 answers are empty: they count as unreadable" in result
    assert judgments(tmp_path / "run")[1].reason == "empty"


def test_answers_that_never_came_in_vlmevalkit_are_no_answers(
    score: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    rows = answers(ENTITIES)
    rows[1]["prediction"] = "Failed to obtain answer via API."
    assert score(rows)[0] == 0
    assert judgments(tmp_path / "run")[1].reason == "request failed: Failed to obtain answer via API."
    lints = {lint.title for lint in find_lints(score_run(read(tmp_path / "run"), resamples=0))}
    assert "Incomplete run." in lints


def test_what_pandas_and_others_add_is_no_harm(score: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    rows = [{"": n, "Unnamed: 0": n, **row, "latency": 0.1} for n, row in enumerate(answers(ENTITIES))]
    status, result = score(rows, name="a.csv")
    assert status == 0, result
    assert "a.csv: columns that are not used: latency" in result
    assert "Unnamed" not in result


@pytest.mark.parametrize("heading", ["Prediction", " response ", "Model Output", "generated_text", "RAW"])
def test_a_column_of_answers_may_be_called_as_harnesses_call_it(
    heading: str, score: Callable[..., tuple[int, str]]
) -> None:
    rows = [{heading if key == "prediction" else key: cell for key, cell in row.items()} for row in answers(ENTITIES)]
    status, result = score(rows, name="a.csv")
    assert status == 0, result


def test_names_of_questions_as_people_write_them() -> None:
    for question in QUESTIONS:
        first, number = question.dimension[0], question.name[-1]
        for spelled in (question.name, question.name.upper(), f"{first}{number}", f"{first.upper()}{number}"):
            assert find_name(spelled) == (None, question.name)
        assert find_name(question.text) == (None, question.name)
        assert find_name(question.text.rstrip("?").lower()) == (None, question.name)
        assert find_name(objectqa_prompt(question.name)) == (Style.BENCHMARK, question.name)
        assert find_name(f"qreal_paper_objectqa_{question.name}") == (Style.PAPER, question.name)
    for name in IMAGEQA_SETS:
        assert find_name(name.replace("_", " ").title()) == (None, name)
    for other in ("", "q1", "1", "r3", "p5", "quality", "realism_q1_q2"):
        assert find_name(other) is None, other
    assert len(QUESTION_NAMES) == 6


BOX = '[{"bbox_2d": [100, 250, 400, 625], "label": "dog", "description": "flat"}]'


@pytest.mark.parametrize(
    ("cells", "arguments", "expected", "assumed"),
    [
        pytest.param({}, (), (10, 20, 40, 50), True, id="nobody says"),
        pytest.param({}, ("--box-space", "norm1000"), (10, 20, 40, 50), False, id="said on the command line"),
        pytest.param({"box_space": "norm1000_yx"}, (), (25, 8, 62.5, 32), False, id="said in the file"),
        pytest.param(
            {"box_space": "resized_pixels", "input_width": 500, "input_height": "1000"},
            (),
            (20, 20, 80, 50),
            False,
            id="size in two columns",
        ),
        pytest.param(
            {"box_space": "resized_pixels", "input_size": [500, 1000]}, (), (20, 20, 80, 50), False, id="size in one"
        ),
    ],
)
def test_boxes_are_read_in_the_declared_space(
    cells: Row,
    arguments: tuple[str, ...],
    expected: tuple[float, ...],
    assumed: bool,
    score: Callable[..., tuple[int, str]],
    tmp_path: Path,
) -> None:
    rows = [{"image_id": one, "set": "realism", "prediction": BOX, **cells} for one in IMAGES]
    status, result = score(rows, *arguments)
    assert status == 0, result
    first = read(tmp_path / "run").records[0]
    assert isinstance(first, GroundingRecord)
    assert first.predicted[0].bbox_px == pytest.approx(expected)
    assert first.space_assumed is assumed
    assert ("boxes are ASSUMED to be written in norm1000" in result) is assumed


def test_the_style_is_that_of_the_ids_or_of_the_command(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(WRITERS["a.jsonl"](answers(ENTITIES)))
    score_predictions([path], str(data), "m", out=tmp_path / "by command", style=Style.PAPER)
    ids = [{"id": f"qreal_paper_objectqa_realism_q1:{one}", "prediction": "Yes"} for one in ENTITIES]
    path.write_bytes(WRITERS["a.jsonl"](ids))
    score_predictions([path], str(data), "m", out=tmp_path / "by ids")
    for folder in ("by command", "by ids"):
        assert read(tmp_path / folder).style is Style.PAPER
        assert {record.post_prompt for record in judgments(tmp_path / folder)} == {""}
