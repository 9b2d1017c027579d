"""Files as people really send them: each kind of damage has its line, and nothing is written."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from predicted import WRITERS, Row
from refusing import qreal
from small_set import small_rows, write_hub_layout

GOOD: list[Row] = [
    {"entity_id": row["entity_id"], "question": "realism_q1", "prediction": "Yes", "p_yes": 0.75}
    for row in small_rows()["objectqa"]["test"]
]
FIRST = GOOD[0]["entity_id"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hub_layout(tmp_path_factory.mktemp("data"), small_rows())


def changed(**cells: Any) -> list[Row]:
    """The good rows, the second one with other cells."""
    return [{**row, **(cells if at == 1 else {})} for at, row in enumerate(GOOD)]


def renamed(**names: str) -> list[Row]:
    return [{names.get(key, key): cell for key, cell in row.items()} for row in GOOD]


def lines(rows: list[Row]) -> bytes:
    return WRITERS["a.jsonl"](rows)


def cells(rows: list[Row]) -> bytes:
    return WRITERS["a.csv"](rows)


def sheet(change: Callable[[Any], None]) -> bytes:
    out, book = io.BytesIO(), Workbook()
    page: Any = book.active
    page.append(list(GOOD[0]))
    for row in GOOD:
        page.append(list(row.values()))
    change(page)
    book.save(out)
    return out.getvalue()


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", b"\0" * (2**30 + 1))
    return out.getvalue()


def set_cell(place: str, value: Any) -> Callable[[Any], None]:
    def change(page: Any) -> None:
        page[place] = value

    return change


DAMAGED: dict[str, tuple[str, bytes, list[str]]] = {
    "empty": ("a.csv", b"", ["is empty"]),
    "blank": ("a.jsonl", b"\xef\xbb\xbf \r\n\r\n", ["is empty"]),
    "headings alone": ("a.csv", b"entity_id,question,prediction\n", ["no row but the headings"]),
    "pickle": ("a.pkl", pickle.dumps(GOOD), ["pickle", "runs what is in it", ".jsonl"]),
    "pickle under another name": ("a.csv", pickle.dumps(GOOD), ["pickle", "runs what is in it"]),
    "old spreadsheet": ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), ["an old .xls file"]),
    "no kind that is known": ("a.txt", b"some words about nothing\n", ["no table that is known"]),
    "cut off line": ("a.jsonl", lines(GOOD)[:-20], ["line 6", "JSON"]),
    "cut off archive": ("a.jsonl.gz", gzip.compress(lines(GOOD))[:-12], ["damaged"]),
    "cut off spreadsheet": ("a.xlsx", WRITERS["a.xlsx"](GOOD)[:-100], ["cannot be read as a spreadsheet"]),
    "cut off parquet": ("a.parquet", WRITERS["a.parquet"](GOOD)[:-30], ["cannot be read"]),
    "unpacks to a lot": ("a.xlsx", bomb(), ["unpacks to 1,073,741,825 bytes"]),
    "quote not closed": ("a.csv", cells(GOOD).replace(b"Yes", b'"Yes', 1), ["double quotes"]),
    "cells too many": ("a.csv", cells(GOOD).replace(b"Yes", b"Yes, it is", 1), ["line 2", "5 cells, expected 4"]),
    "wrong separator": ("a.csv", cells(GOOD).replace(b",", b"#"), ["if another character separates the cells"]),
    "column twice": (
        "a.csv",
        cells(GOOD).replace(b"p_yes", b"prediction", 1),
        ["two columns are called 'prediction'"],
    ),
    "two columns of answers": ("a.csv", cells(renamed(p_yes="response")), ["'prediction' and 'response'", "keep one"]),
    "the reference in place of the answer": ("a.csv", cells(renamed(prediction="answer")), ["may be the reference"]),
    "mistyped column": ("a.csv", cells(renamed(prediction="predicton")), ["did you mean prediction?"]),
    "no id": ("a.csv", cells(renamed(entity_id="number")), ["nothing to know a sample by", "entity_id"]),
    "no question": ("a.csv", cells(renamed(question="about")), ["6 of 6 rows", "no question or set"]),
    "unknown question": ("a.jsonl", lines(changed(question="r7")), ["line 2: 'r7' is no question", "plausibility_q4"]),
    "empty id": ("a.jsonl", lines(changed(entity_id=None)), ["line 2: no id"]),
    "an id of something else": ("a.jsonl", lines(changed(entity_id=None, id="17")), ["'17', which is no id"]),
    "a set of an entity": ("a.jsonl", lines(changed(question="realism")), ["realism is asked about image ids"]),
    "several answers": ("a.jsonl", lines(changed(prediction=["Yes", "No"])), ["line 2", "a list of 2", "keep one"]),
    "an object": ("a.jsonl", lines(changed(prediction={"verdict": "Yes"})), ["an object of verdict"]),
    "true": ("a.jsonl", lines(changed(prediction=True)), ["the answer is True", "own text"]),
    "per cent": ("a.csv", cells(changed(p_yes="75%")), ["line 3", "'75%'", "as a fraction"]),
    "per cent without its sign": ("a.csv", cells(changed(p_yes=75)), ["P(Yes) is 75", "divide it by 100"]),
    "a logarithm": ("a.csv", cells(changed(p_yes=-0.3)), ["P(Yes) is -0.3", "exponential"]),
    "words for P": ("a.csv", cells(changed(p_yes="high")), ["'high'", "from 0 to 1"]),
    "not a number": ("a.jsonl", lines(changed(p_yes="NaN")), ["P(Yes) is nan"]),
    "mass alone": ("a.jsonl", lines(changed(p_yes=None, mass=0.9)), ["mass is 0.9, and P(Yes) is empty"]),
    "formula": ("a.xlsx", sheet(set_cell("C3", "=1+1")), ["row 3", "a formula, '=1+1'"]),
    "cut off by the spreadsheet": ("a.xlsx", sheet(set_cell("C3", "x" * 40_000)), ["row 3", "32,767", "JSON lines"]),
    "no rows of a table": ("a.json", b"[1, 2]", ["item 0: int", "a JSON object a line"]),
    "one object": ("a.json", json.dumps({"a": {"b": 1}}, indent=1).encode(), ["expected a JSON object a line"]),
    "two answers to one question": ("a.jsonl", lines([*GOOD, {**GOOD[0], "prediction": "No"}]), ["keep one", FIRST]),
    "two P to one question": ("a.jsonl", lines([*GOOD, {**GOOD[0], "p_yes": 0.1}]), ["two different answers"]),
    "another dataset": (
        "a.jsonl",
        lines([{**row, "entity_id": f"x{row['entity_id']}"} for row in GOOD]),
        ["no prediction is of a sample", f"'x{FIRST}'", "is it the same dataset?"],
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_each_kind_has_its_line(case: str, data: Path, tmp_path: Path) -> None:
    name, content, expected = DAMAGED[case]
    path, out = tmp_path / name, tmp_path / "run"
    path.write_bytes(content)
    status, result = qreal("score", "--predictions", str(path), "--data", str(data), "--model", "m", "--out", str(out))
    assert status == 1
    assert "Traceback" not in result
    assert "qreal score: " in result
    for words in expected:
        assert words in result, result
    assert not out.exists()


IMAGE: Row = {"image_id": "img2", "set": "realism", "prediction": "[]"}


@pytest.mark.parametrize(
    ("rows", "arguments", "expected"),
    [
        pytest.param([{**IMAGE, "box_space": "norm10"}], (), "'norm10': expected one of pixels", id="unknown space"),
        pytest.param(
            [{**IMAGE, "box_space": "unit"}, {**IMAGE, "image_id": "img3", "box_space": "pixels"}],
            (),
            "boxes are said to be in unit (a.jsonl, line 1), pixels (a.jsonl, line 2); a run has one space",
            id="two spaces",
        ),
        pytest.param(
            [{**IMAGE, "box_space": "unit"}],
            ("--box-space", "pixels"),
            "unit (a.jsonl, line 1), and --box-space pixels",
            id="another space on the command line",
        ),
        pytest.param(
            [{"id": "qreal_imageqa_realism@unit:img2", "box_space": "pixels", "prediction": "[]"}],
            (),
            "box space pixels in its column, and the prompt asked for unit",
            id="another space than the prompt's",
        ),
        pytest.param(
            [IMAGE],
            ("--box-space", "resized_pixels"),
            "take the size of the picture that the model was fed, and a.jsonl, line 1 has none",
            id="no size",
        ),
        pytest.param(
            [{**IMAGE, "input_size": "big"}], (), "the size is 'big', expected two sides in pixels", id="no sides"
        ),
        pytest.param([IMAGE], ("--model", "a,b"), "one line without commas", id="name with a comma"),
    ],
)
def test_what_is_declared_must_fit(
    rows: list[Row], arguments: tuple[str, ...], expected: str, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    given = ("--predictions", str(tmp_path / "a.jsonl"), "--data", str(data), "--out", str(tmp_path / "run"))
    status, result = qreal("score", *given, *(("--model", "m") if "--model" not in arguments else ()), *arguments)
    assert status == 1
    assert expected in result
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "give the output folder of a run, or --predictions FILE"),
        (("--model", "m", "somewhere"), "--model goes with --predictions FILE"),
        (("--predictions", "a.csv"), "--predictions takes --model NAME"),
        (("--predictions", "a.csv", "--model", "m", "somewhere"), "give a run, or predictions"),
        (("--predictions", "a.csv", "--model", "m", "--box-space", "px"), "'px': expected one of pixels"),
    ],
)
def test_options_that_do_not_go_together(arguments: tuple[str, ...], expected: str) -> None:
    status, result = qreal("score", *arguments)
    assert status == 1
    assert expected in result


def test_a_folder_in_the_place_of_a_file(data: Path, tmp_path: Path) -> None:
    status, result = qreal("score", "--predictions", str(tmp_path), "--data", str(data), "--model", "m")
    assert status == 1
    assert "is a folder, expected a file" in result


def test_a_run_folder_that_is_not_empty_stays_as_it_is(data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(GOOD))
    out = tmp_path / "run"
    out.mkdir()
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    given = ("--predictions", str(tmp_path / "a.jsonl"), "--data", str(data), "--model", "m", "--out", str(out))
    status, result = qreal("score", *given)
    assert status == 1
    assert "is not empty" in result
    assert [one.name for one in out.iterdir()] == ["mine.txt"]
