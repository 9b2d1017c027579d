"""Tables: as spreadsheets and programs write them, and what their cells may name."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from taking_in import png, put, taken

from annotation.errors import AnnotationError
from qreal_tasks.intake.errors import IntakeError

ROWS = [("img/0.png", 'A "dog", é', "sdxl"), ("img/1.png", "two\nlines --ar 16:9", "flux"), ("img/2.png", "ü", "flux")]
HEADINGS = ("image", "prompt", "generator")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        put(tmp_path / f"img/{number}.png", png(number))
    return tmp_path


def in_cells(separator: str = ",", headings: tuple[str, ...] = HEADINGS, rows: Any = ROWS) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows([headings, *rows])
    return out.getvalue()


OBJECTS = [dict(zip(HEADINGS, row, strict=True)) for row in ROWS]
LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in OBJECTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("t.csv", in_cells().encode(), id="csv"),
        pytest.param("t.csv", in_cells().encode("utf-8-sig"), id="csv with a mark"),
        pytest.param("t.csv", in_cells(";").encode(), id="semicolons"),
        pytest.param("t.csv", in_cells("\t").encode(), id="tabs in a csv"),
        pytest.param("t.csv", in_cells("|").encode(), id="bars"),
        pytest.param("t.tsv", in_cells("\t").encode(), id="tsv"),
        pytest.param("t.tsv", in_cells(",").encode(), id="commas in a tsv"),
        pytest.param("t.csv", ("sep=;\r\n" + in_cells(";")).encode(), id="separator in the first line"),
        pytest.param("t.csv", ("sep=|\r\n" + in_cells("|")).encode("utf-8-sig"), id="the same, with a mark"),
        pytest.param(
            "t.csv", in_cells().replace("image,prompt,generator", '"image","prompt", "generator"').encode(), id="quotes"
        ),
        pytest.param("t.csv", in_cells().replace("\r\n", "\r").encode(), id="line ends of old Macs"),
        pytest.param("t.csv", in_cells(";", (*HEADINGS, ""), [(*row, "") for row in ROWS]).encode(), id="empty column"),
        pytest.param("t.csv", (in_cells(";") + ";;\r\n;;;;\r\n").encode(), id="empty rows and cells"),
        pytest.param("t.csv", ("\r\n" + in_cells()).encode(), id="blank first line"),
        pytest.param("t.csv", in_cells("\t").encode("utf-16"), id="UTF-16, as Excel's Unicode text"),
        pytest.param(
            "t.csv", in_cells(headings=(" Image", "PROMPT ", "Generator")).encode(), id="headings as they come"
        ),
        pytest.param("t.csv", in_cells(headings=("file_name", "text", "generator")).encode(), id="headings of folders"),
        pytest.param("t.CSV", in_cells().encode(), id="suffix in capitals"),
        pytest.param("t.jsonl", LINES.encode(), id="jsonl"),
        pytest.param("t.jsonl", LINES.encode("utf-8-sig"), id="jsonl with a mark"),
        pytest.param("t.jsonl", LINES.replace("\n", "\r\n\r\n").encode(), id="jsonl with blank lines"),
        pytest.param("t.jsonl", LINES.encode("utf-16"), id="jsonl in UTF-16"),
        pytest.param("t.json", json.dumps(OBJECTS, indent=2).encode(), id="json list"),
        pytest.param("t.json", LINES.encode(), id="json lines under the other name"),
    ],
)
def test_tables_are_read_as_they_are_written(folder: Path, name: str, content: bytes) -> None:
    found = taken(put(folder / name, content), folder / "run")
    assert [(name, row["prompt"], row["generator"]) for name, row in found.items()] == ROWS
    assert {(row["state"], row["note"]) for row in found.values()} == {("done", "")}


def test_windows_1252_is_read_and_said_where_it_matters(folder: Path) -> None:
    rows = [ROWS[0], ("img/1.png", "plain", "flux")]
    found = taken(put(folder / "t.csv", in_cells(";", rows=rows).encode("cp1252")), folder / "run")
    assert found["img/0.png"]["prompt"] == 'A "dog", é'
    assert [row["note"] for row in found.values()] == ["prompt read as Windows-1252", ""]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        pytest.param("", "the row names no picture", id="empty"),
        pytest.param("   ", "the row names no picture", id="blank"),
        pytest.param("https://example.org/0.png", "an address: https://example.org/0.png; addresses are not", id="web"),
        pytest.param("s3://bucket/0.png", "addresses are not fetched: download first", id="bucket"),
        pytest.param("data:image/png;base64," + "A" * 50_000, "the cell holds the picture itself", id="data address"),
        pytest.param(base64.b64encode(png(0)).decode(), "the cell holds the picture itself", id="base64"),
        pytest.param("img/gone.png", "no such file: looked for {}/img/gone.png", id="not there"),
        pytest.param(
            "img\\gone.png",
            "no such file: looked for {0}/img\\gone.png and {0}/img/gone.png",
            id="not there either way",
        ),
        pytest.param("C:\\pics\\0.png", "put the pictures beside the table and name them from there", id="a drive"),
        pytest.param("C:/pics/0.png", "the path is of a Windows drive", id="a drive with slashes"),
        pytest.param("img", "the file is a folder, expected a file", id="a folder"),
        pytest.param("x" * 50_000, "File name too long", id="a text for a name"),
    ],
)
def test_cells_that_name_no_picture_are_explained_in_a_line(folder: Path, cell: str, reason: str) -> None:
    put(folder / "0", png(7))  # a file that is called like the row's number is not what an empty cell names
    put(folder / "row 0", png(8))
    ((name, row),) = taken(put(folder / "t.csv", in_cells(rows=[(cell, "a", "b")])), folder / "run").items()
    assert row["state"] == "rejected"
    assert reason.format(folder.resolve()) in row["reason"]
    assert "\n" not in row["reason"]
    assert len(name) <= 500
    assert len(row["reason"]) < 1000


@pytest.mark.parametrize("cell", ["img\\0.png", " img/0.png", "img/0.png ", ".\\img\\0.png", "{absolute}"])
def test_paths_are_found_however_they_are_written(folder: Path, cell: str) -> None:
    rows = [(cell.format(absolute=folder / "img/0.png"), "a", "b")]
    (row,) = taken(put(folder / "t.csv", in_cells(rows=rows)), folder / "run").values()
    assert (row["state"], row["prompt"]) == ("done", "a")


def test_a_name_with_a_backslash_in_it_is_itself(folder: Path) -> None:
    put(folder / "img\\0.png", png(9))
    ((_, row),) = taken(put(folder / "t.csv", in_cells(rows=[("img\\0.png", "a", "b")])), folder / "run").items()
    put(folder / "only/0.png", png(9))
    assert row["image_id"] == taken(folder / "only", folder / "run2")["0.png"]["image_id"]


@pytest.mark.parametrize(
    ("held", "state", "reason"),
    [
        ({"path": "img/0.png"}, "done", ""),
        ({"path": "img/0.png", "bytes": None}, "done", ""),
        ({"path": "img\\0.png"}, "done", ""),
        ({"path": None}, "rejected", "the row names no picture"),
        ({}, "rejected", "the row names no picture"),
        (None, "rejected", "the row names no picture"),
        ({"bytes": base64.b64encode(png(0)).decode()}, "rejected", "a picture inside JSON: save it as a file"),
        ({"0": "img/0.png"}, "rejected", "an object of 0; write an object a row"),
        (5, "rejected", "the cell holds 5, expected text"),
        (["img/0.png"], "rejected", "the cell holds ['img/0.png'], expected text"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_objects_in_json(folder: Path, held: object, state: str, reason: str) -> None:
    rows = [{"image": held, "prompt": "a"}, {"prompt": "of no picture at all"}]
    table = put(folder / "t.jsonl", "\n".join(map(json.dumps, rows)))
    first, second = taken(table, folder / "run").values()
    assert (first["state"], second["reason"]) == (state, "the row names no picture")
    assert reason in first["reason"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "image,prompt\n0.png,a cat, sitting\n", "line 2: 3 cells, expected 2 as in the line of headings"),
        (
            "t.csv",
            'sep=,\nimage,prompt\n0.png,"a cat\n',
            "line 3: unexpected end of data; close a cell in double quotes",
        ),
        ("t.csv", "picture;text\na;b\n", "no column 'image', found picture, text; name it in intake.columns.image"),
        ("t.csv", "x" * 5000, "no column 'image', found xxx"),
        ("t.json", '{"rows": [\n]}', "expected a JSON object a line, or one list of objects"),
        ("t.json", "[1]", "item 0: int, expected a JSON object a line, or one list of objects"),
        ("t.json", '[{"image": ]', "expected a JSON object a line, or one list of objects"),
        ("t.jsonl", '{"image": "a.png"}\n"b"\n', "line 2: str, expected a JSON object a line"),
        ("t.jsonl", b"\x81\x82", "cannot be read: no text in UTF-8 or Windows-1252 (byte 0 is 0x81); save it as UTF-8"),
        ("t.xlsx", b"PK", "is neither a folder nor a table (.csv, .tsv, .jsonl, .json, .parquet)"),
        ("t.csv", "", "holds no file or row"),
        ("t.csv", "image,prompt\n", "holds no file or row"),
        ("t.csv", "image,prompt,prompt\n0.png,a,b\n", "2 columns are called 'prompt', expected one; rename the others"),
    ],
    ids=range(13),
)
def test_tables_that_cannot_be_read_are_explained(folder: Path, name: str, content: Any, message: str) -> None:
    with pytest.raises((AnnotationError, IntakeError)) as raised:
        taken(put(folder / name, content), folder / "run")
    assert message in str(raised.value)
    assert len(str(raised.value)) < 1000


def test_a_prompt_that_is_no_text_is_said(folder: Path) -> None:
    table = put(folder / "t.jsonl", json.dumps({"image": "img/0.png", "prompt": ["a", "b"]}))
    (row,) = taken(table, folder / "run").values()
    assert (row["prompt"], row["note"]) == ("", "prompt is no text (a list)")


def in_parquet(folder: Path, image: pa.Array, heading: str = "image") -> Path:
    pq.write_table(pa.table({heading: image, "prompt": ["zero", "one", "none"]}), folder / "t.parquet")
    return folder / "t.parquet"


PICTURES = [png(0), png(1), None]
PATHS = ["img/0.png", "img\\1.png", None]


@pytest.mark.slow
@pytest.mark.parametrize(
    "image",
    [
        pytest.param(pa.array(PICTURES), id="binary"),
        pytest.param(pa.array(PICTURES, pa.large_binary()), id="large binary"),
        pytest.param(pa.array(PICTURES).dictionary_encode(), id="dictionary of binary"),
        pytest.param(
            pa.array([held and {"bytes": held, "path": held[-25:-15].hex()} for held in PICTURES]), id="bytes and path"
        ),
        pytest.param(pa.array([{"bytes": held, "path": None} for held in PICTURES]), id="path of type null"),
        pytest.param(pa.array([held and {"bytes": held} for held in PICTURES]), id="bytes alone"),
        pytest.param(
            pa.array(
                [held and {"bytes": held, "path": None} for held in PICTURES],
                pa.struct({"path": pa.large_string(), "bytes": pa.large_binary()}),
            ),
            id="large both, the other way round",
        ),
        pytest.param(
            pa.array(
                [held and {"bytes": None, "path": held} for held in PATHS],
                pa.struct({"bytes": pa.binary(), "path": pa.string()}),
            ),
            id="paths in a struct",
        ),
        pytest.param(pa.array([held and {"path": held} for held in PATHS]), id="path alone in a struct"),
        pytest.param(pa.array(PATHS), id="paths"),
        pytest.param(pa.array(PATHS, pa.large_string()), id="large string"),
        pytest.param(pa.array(PATHS).dictionary_encode(), id="dictionary of paths"),
    ],
)
@pytest.mark.parametrize("heading", ["image", "Image"])
def test_columns_of_parquet(folder: Path, image: pa.Array, heading: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "cache")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)  # paths are looked for beside the table
    found = list(taken(in_parquet(folder, image, heading), folder / "run", images_per_shard=2).values())
    expected = [row["image_id"] for row in taken(folder / "img", folder / "files").values()][:2]
    assert [row["image_id"] for row in found] == [*expected, None]
    assert [row["prompt"] for row in found] == ["zero", "one", "none"]
    assert found[2]["reason"] in ("the row names no picture", "the row holds no picture")


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (pa.array([1, 2, 3]), "int64"),
        (pa.array([[{"bytes": held}] for held in PICTURES]), "list<element: struct<bytes: binary>>"),
        (pa.array([[1, 2], [3], []]), "list<element: int64>"),
        (pa.array([{"url": "x"}] * 3), "struct<url: string>"),
        (pa.array([{"bytes": "x", "path": "y"}] * 3), "struct<bytes: string, path: string>"),
        (pa.array([b"123"] * 3, pa.binary(3)), "fixed_size_binary[3]"),
        (pa.array([True, False, None]), "bool"),
    ],
    ids=str,
)
def test_columns_of_other_types_are_refused_once_with_their_type(folder: Path, image: pa.Array, kind: str) -> None:
    with pytest.raises(IntakeError) as raised:
        taken(in_parquet(folder, image), folder / "run")
    assert f"t.parquet: column 'image' is {kind}, expected pictures (binary," in str(raised.value)
    assert not (folder / "run").exists()


def test_pictures_without_any_other_column(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "cache")
    pq.write_table(pa.table({"image": PICTURES[:2]}), folder / "t.parquet")
    found = taken(folder / "t.parquet", folder / "run")
    assert [(name, row["state"]) for name, row in found.items()] == [("row 0", "done"), ("row 1", "done")]
