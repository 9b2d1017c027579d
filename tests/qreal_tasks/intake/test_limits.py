"""Tables, prompt files and pictures of others are read within limits, and messages name them."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qreal_tasks.files.parquet_limits import LONGEST_PICTURE
from qreal_tasks.intake import table_rows
from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.files import read_file
from qreal_tasks.intake.folder import FolderSource
from qreal_tasks.intake.settings import ColumnNames
from qreal_tasks.intake.table import TableSource
from qreal_tasks.intake.text_files import LONGEST_PROMPT

LONG = "x" * (LONGEST_PROMPT + 1)


@pytest.mark.parametrize(
    ("name", "content", "result"),
    [
        ("t.jsonl", "[" * 10**5, "it is nested deeper than 64 levels"),
        ("t.jsonl", '{"image": ' * 10**5, "line 1: it is nested deeper than 64 levels"),
        ("t.json", "[{" + '"a": [{' * 10**5, "it is nested deeper than 64 levels"),
        ("t.jsonl", f'{{"image": {"9" * 5000}}}', "line 1: Exceeds the limit (4300 digits)"),
        ("t.csv", "image,prompt\na.png," + "x" * 140_000, "line 2: a cell of more than 131,072 characters"),
        (
            "t.csv",
            'image,prompt\na.png,"' + "x,y\n" * 40_000,
            "a cell of more than 131,072 characters; perhaps a double",
        ),
        ("t.csv", "x" * 140_000, "line 1: a cell of more than 131,072 characters"),
    ],
    ids=["lists", "objects", "lists in a list", "digits", "cell", "quote not closed", "heading"],
)
def test_a_table_over_a_limit_is_refused(name: str, content: str, result: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(IntakeError) as raised:
        list(TableSource(tmp_path / name, ColumnNames()).listing())
    assert result in str(raised.value)
    assert len(str(raised.value)) < 600


def test_a_table_has_so_many_bytes_and_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("image,prompt\n" + "a.png,b\n" * 4)
    monkeypatch.setattr(table_rows, "MOST_ROWS", 3)
    with pytest.raises(IntakeError, match="more than 3 rows; make several tables"):
        list(TableSource(path, ColumnNames()).listing())
    monkeypatch.setattr(table_rows, "MOST_BYTES", 30)
    with pytest.raises(IntakeError, match="cannot be read: the file has more than 30 bytes"):
        list(TableSource(path, ColumnNames()).listing())


@pytest.mark.parametrize("column", ["prompt", "image"])
def test_a_small_parquet_table_that_stands_for_a_large_one_is_refused(column: str, tmp_path: Path) -> None:
    large = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), pa.array(["x" * 10**6]))
    pictures = pa.StructArray.from_arrays([large.cast(pa.dictionary(pa.int32(), pa.binary()))], ["bytes"])
    names = pa.array(["a"] * 5_000)
    held = {"image": pictures if column == "image" else names, "prompt": large if column == "prompt" else names}
    pq.write_table(pa.table(held), tmp_path / "t.parquet", compression="zstd", store_schema=False)
    with pytest.raises(IntakeError, match=r"t.parquet: it has [\d,]+ bytes in texts and pictures, each copy counted"):
        list(TableSource(tmp_path / "t.parquet", ColumnNames()).listing())


@pytest.mark.parametrize(
    ("prompt", "note"),
    [
        (LONG, "prompt is too long (20,001 characters, expected at most 20,000)"),
        (True, "prompt is no text (a bool)"),
        (math.inf, "prompt is no text (a float)"),
        (math.nan, ""),
        ({"a": [1]}, "prompt is no text (a dict)"),
    ],
)
def test_a_prompt_that_is_none_is_left_out(prompt: object, note: str, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"image": "a.png", "prompt": prompt, "generator": prompt}))
    (listed,) = TableSource(tmp_path / "t.jsonl", ColumnNames()).listing()
    assert (listed.prompt, listed.generator, listed.note) == ("", "unknown", note)


def test_prompt_files_beside_pictures_are_plain_and_short(tmp_path: Path) -> None:
    for name in ("long", "larger", "pipe"):
        (tmp_path / f"{name}.png").write_bytes(b"picture")
    (tmp_path / "long.txt").write_text(LONG)
    (tmp_path / "larger.txt").write_text(" " * 2**20 + "a cat")
    os.mkfifo(tmp_path / "pipe.txt")  # opening it would wait for ever
    notes = {one.name: one.note for one in FolderSource(tmp_path, ColumnNames()).listing() if one.name.endswith(".png")}
    assert "long.txt: 20,001 characters, expected at most 20,000" in notes["long.png"]
    assert "larger.txt: the file has more than 1,048,576 bytes" in notes["larger.png"]
    assert "pipe.txt: the file is a named pipe, expected a file" in notes["pipe.png"]


def test_metadata_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    os.mkfifo(tmp_path / "metadata.csv")
    with pytest.raises(IntakeError, match="cannot be read: the file is a named pipe, expected a file"):
        list(FolderSource(tmp_path, ColumnNames()).listing())


def test_a_picture_has_so_many_bytes(tmp_path: Path) -> None:
    assert LONGEST_PICTURE == 2**29
    (tmp_path / "a.png").write_bytes(b"12345")
    assert read_file(os.fsencode(tmp_path / "a.png"), 5) == b"12345"
    refused = read_file(os.fsencode(tmp_path / "a.png"), 4)
    assert str(refused).startswith("the file has more than 4 bytes: ")
