"""Rows of a screening run: made from an assessment, written, and read back as they were."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from qreal_tasks.api.findings import EntityFindings, ImageAnswer, PictureFindings, QuestionAnswer
from qreal_tasks.benchmark import QUESTION_NAMES, Dimension
from qreal_tasks.screening.assessment import ImageAssessment, assess
from qreal_tasks.screening.making_rows import (
    ImageOrigin,
    calibrate_row,
    make_refused_row,
    make_repeated_row,
    make_row,
)
from qreal_tasks.screening.rows import ROWS_FILE, SCHEMA, ScreeningRow, make_table, read_rows

ORIGIN = ImageOrigin("sdxl/1.png", "a dog", "p1", "sdxl")


def _assessment(reason: str | None = None) -> ImageAssessment:
    answers = {name: QuestionAnswer("Yes", 0.8, None, 0.99) for name in QUESTION_NAMES}
    answers["plausibility_q4"] = QuestionAnswer(None, None, "neither Yes nor No")
    dog = EntityFindings("dog", (1, 2, 50, 60), answers, {"realism": "flat light"}, ("realism", "detect"))
    about = {"realism": ImageAnswer((), reason, {}, None, "")}
    return assess(PictureFindings("one", Image.new("RGB", (100, 80)), (dog,), about))


def _rows() -> list[ScreeningRow]:
    judged = make_row(ORIGIN, "ab" * 32, _assessment())
    return [
        judged,
        make_row(ImageOrigin("2.png"), "cd" * 32, _assessment("no JSON list")),
        make_refused_row(ImageOrigin("3.png"), "the file is empty (0 bytes)"),
        make_repeated_row(ImageOrigin("4.png", generator="flux"), judged),
    ]


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = _rows()
    pq.write_table(make_table(rows), tmp_path / ROWS_FILE)
    assert list(read_rows(tmp_path)) == rows
    assert all(list(row) == SCHEMA.names == list(ScreeningRow.__annotations__) for row in rows)


def test_a_judged_row_holds_the_numbers_of_the_assessment() -> None:
    row = _rows()[0]
    assert (row["state"], row["reason"], row["width"], row["height"]) == ("judged", None, 100, 80)
    assert row["p_realism"] == pytest.approx(1 - 0.8 * 0.8)
    assert row["severity"] == pytest.approx(1 - 0.8**2 * 0.2**3)
    [entity] = row["entities"]
    assert entity["bbox"] == [1.0, 2.0, 50.0, 60.0]
    assert entity["answers"]["realism_q1"] == {"answer": "Yes", "p_yes": 0.8, "mass": 0.99, "reason": None}
    assert entity["answers"]["plausibility_q4"] == {
        "answer": None,
        "p_yes": None,
        "mass": None,
        "reason": "neither Yes nor No",
    }
    assert entity["reasons"] == {"realism": "flat light", "plausibility": None, "human_plausibility": None}


def test_an_unread_dimension_is_null_and_says_why() -> None:
    row = _rows()[1]
    assert (row["state"], row["severity"], row["reason"]) == ("unread", None, "realism: no JSON list")
    assert row["unread"] == [
        {"where": "realism", "reason": "no JSON list"},
        {"where": "entity 1 plausibility_q4", "reason": "neither Yes nor No"},
    ]


def test_a_repeated_row_has_the_numbers_of_the_first_and_its_own_origin() -> None:
    first, *_, last = _rows()
    own = {"image", "prompt", "prompt_id", "generator", "state", "same_as"}
    assert {key: value for key, value in last.items() if key not in own} == {
        key: value for key, value in first.items() if key not in own
    }
    assert (last["image"], last["same_as"], last["generator"], last["prompt"]) == ("4.png", "sdxl/1.png", "flux", None)
    assert make_repeated_row(ImageOrigin("5.png"), last)["same_as"] == "sdxl/1.png"


def test_calibration_changes_the_image_and_keeps_the_raw_numbers() -> None:
    row = calibrate_row(_rows()[0], lambda p, dimension: p / (2 if dimension is Dimension.REALISM else 4))
    assert row["raw_p_realism"] == pytest.approx(0.36)
    assert row["p_realism"] == pytest.approx(0.18)
    assert row["raw_p_plausibility"] == pytest.approx(0.992)
    assert row["severity"] == pytest.approx(1 - 0.82 * (1 - 0.248))
    assert row["entities"][0]["p_realism"] == pytest.approx(0.36)


def test_what_is_no_finished_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"images\.parquet is missing: no run of qreal screen, or one that has not"):
        list(read_rows(tmp_path))
    (tmp_path / ROWS_FILE).write_bytes(b"PAR1 cut off")
    with pytest.raises(ValueError, match="cannot be read"):
        list(read_rows(tmp_path))
    pq.write_table(make_table(_rows()).drop_columns(["severity"]), tmp_path / ROWS_FILE)
    with pytest.raises(ValueError, match="no column severity, expected rows of qreal screen"):
        list(read_rows(tmp_path))
