"""Runs in Python: the numbers of ``qreal score``, frames that can be counted again, predictions in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from predicted import assert_equal_runs, rows_of

import qreal_tasks as qreal
from qreal_tasks.records import GroundingRecord
from qreal_tasks.results.run_folder import RunFolderError, newest_results, read_run
from qreal_tasks.results.score import score_run

Runs = tuple[Path, Path]


def rows_in(folder: Path) -> list[dict[str, Any]]:
    return rows_of(read_run(newest_results(folder)))


def test_scores_are_those_of_the_command(runs: Runs) -> None:
    found = qreal.load_run(runs[0]).scores(resamples=50)
    expected = score_run(read_run(newest_results(runs[0])), resamples=50)
    for half in ("objectqa", "imageqa"):
        rows = getattr(found, half)
        assert list(rows) == list(expected.groups(half))
        for name, group in expected.groups(half).items():
            for metric, value in group.metrics.items():
                one, interval = rows[name][metric], group.intervals.get(metric)
                assert one.value == value, (name, metric)
                if interval:
                    assert (one.low, one.high) == (interval.low, interval.high)
    always = expected.objectqa["realism_q1"].best_baseline("acc")
    assert always is not None
    assert found.objectqa["realism_q1"]["acc"].baseline == always[0]


def test_scores_as_frame_and_as_plain_values(runs: Runs) -> None:
    found = qreal.load_run(str(runs[0])).scores(resamples=50)
    frame = found.to_pandas().set_index(["task", "name", "metric"])
    assert frame.loc[("imageqa", "realism", "iou"), "value"] == found.imageqa["realism"]["iou"].value
    assert frame.loc[("objectqa", "overall", "acc"), "label"] == "Accuracy"
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["objectqa"]["realism_q1"]["acc"]["low"] == found.objectqa["realism_q1"]["acc"].low
    assert "ObjectQA realism_q1: Accuracy ." in repr(found)
    assert repr(qreal.load_run(runs[0]).scores(resamples=0).objectqa["realism_q1"]["acc"]).count(".") == 1


def test_frames_hold_every_answer_and_every_entity(runs: Runs) -> None:
    run = qreal.load_run(runs[0])
    answers, entities = run.to_pandas("objectqa"), run.to_pandas("imageqa")
    scores = run.scores(resamples=0)
    for name, rows in answers.groupby("question"):
        assert rows.correct.mean() == pytest.approx(scores.objectqa[str(name)]["acc"].value)
    for name, rows in entities.groupby("set"):
        grounded = [one for one in run.records(str(name)) if isinstance(one, GroundingRecord)]
        assert rows.label.notna().sum() == sum(len(one.reference) for one in grounded)
        assert rows.predicted_label.notna().sum() == sum(len(one.predicted) for one in grounded)
        assert set(rows.image_id) == {one.image_id for one in grounded}
        flawed = rows[rows.groupby("image_id").label.transform("count") > 0]  # clean images are not in these metrics
        both = flawed.label.notna().sum() + flawed.predicted_label.notna().sum()
        assert 2 * flawed.correct.sum() / both == pytest.approx(scores.imageqa[str(name)]["f1_at_50"].value)
        judged = [score for one in grounded for score in one.scores or () if score is not None]
        assert sorted(rows.llm_score.dropna()) == sorted(judged)
    whole = run.to_pandas()
    assert len(whole) == len(answers) + len(entities)
    assert whole.correct.dtype == bool


def test_a_clean_image_without_a_box_is_a_row_and_right(runs: Runs) -> None:
    frame = qreal.load_run(runs[0]).to_pandas("imageqa")
    neither = frame[frame.label.isna() & frame.predicted_label.isna()]
    assert len(neither) > 0
    assert (neither.correct == neither.reason.isna()).all()
    assert not neither.correct.all(), "the pretend run has clean images whose answer cannot be read"


def test_an_unknown_half_is_refused(runs: Runs) -> None:
    with pytest.raises(ValueError, match="task is 'vqa', expected 'objectqa', 'imageqa' or None"):
        qreal.load_run(runs[0]).to_pandas("vqa")  # type: ignore[arg-type]


def test_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"no \*_results\.json in it"):
        qreal.load_run(tmp_path)


@pytest.mark.parametrize("form", ["rows", "frame", "frame with ids as index", "generator", "file"])
def test_predictions_give_the_numbers_of_the_run(form: str, runs: Runs, tmp_path: Path) -> None:
    rows = rows_in(runs[0])
    given: Any = rows
    if form.startswith("frame"):
        given = pd.DataFrame(rows).convert_dtypes()
        given = given.set_index(["entity_id", "question"]) if "index" in form else given
    elif form == "generator":
        given = (row for row in rows)
    elif form == "file":
        given = tmp_path / "answers.jsonl"
        given.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    found = qreal.score(given, "mini", "mine")
    assert found.path is None
    assert found.model == "mine"
    before, now = (one.scores(resamples=20) for one in (qreal.load_run(runs[0]), found))
    assert now.objectqa == before.objectqa
    for name, row in before.imageqa.items():
        for metric in ("iou", "f1_at_50", "detection_rate", "auc"):
            assert now.imageqa[name][metric] == row[metric], (name, metric)
    assert found.find_differences() == []


def test_a_folder_from_rows_is_one_from_a_file(runs: Runs, tmp_path: Path) -> None:
    rows = rows_in(runs[0])
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    first = qreal.score(path, "mini", "mine", out=tmp_path / "a")
    second = qreal.score(rows, "mini", "mine", out=str(tmp_path / "b"))
    assert second.path == tmp_path / "b"
    assert_equal_runs(tmp_path / "a", tmp_path / "b")
    assert qreal.load_run(tmp_path / "b").run == second.run
    assert first.run.origin is not None
    assert second.run.origin is not None
    assert second.run.origin.files[0].name == "rows in memory"


def test_a_frame_of_a_run_can_be_changed_and_scored_again(runs: Runs) -> None:
    frame = qreal.load_run(runs[0]).to_pandas("objectqa")
    frame["raw"] = frame["reference"]
    found = qreal.score(frame, "mini", "the reference itself").scores(resamples=0)
    assert all(found.objectqa[name]["acc"].value == 1 for name in frame.question.unique())


def test_samples_without_a_prediction_are_said(runs: Runs) -> None:
    rows = [row for row in rows_in(runs[0]) if row["question"] == "realism_q1"]
    found = qreal.score(rows[1:], "mini", "mine")
    assert any("1 of 130 samples have no prediction" in note for note in found.notes)
    assert "notes" in repr(found)
    partial = qreal.score(rows[1:], "mini", "mine", only_answered=True)
    assert len(partial.records("realism_q1")) == len(rows) - 1


WRONG: dict[str, tuple[Any, str]] = {
    "no rows": ([], "there are none, expected one for each prediction"),
    "no mapping": ([("a", "b")], "row 0: tuple, expected a mapping of columns to cells"),
    "a number that is none": (
        [{"entity_id": "x", "question": "realism_q1", "prediction": "Yes", "p_yes": 73}],
        "row 0: P\\(Yes\\) is 73, expected a number from 0 to 1",
    ),
    "two columns of one name": (
        pd.DataFrame([["a", "Yes", "No"]], columns=["entity_id", "prediction", "prediction"]),
        "two columns are called 'prediction'",
    ),
    "another dataset": (
        [{"entity_id": "x", "question": "realism_q1", "prediction": "Yes"}],
        "no prediction is of a sample of the test split of mini",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_predictions_that_cannot_be_read_are_said(name: str) -> None:
    given, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        qreal.score(given, "mini", "mine")


def test_a_box_space_that_is_none() -> None:
    with pytest.raises(ValueError, match="box space 'pixel': expected one of pixels, resized_pixels"):
        qreal.score([{"image_id": "x"}], "mini", "mine", box_space="pixel")
