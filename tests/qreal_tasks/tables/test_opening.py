"""Opening tables: what a file is is told by its content, texts come as they were written, and there are limits."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from predicted import WRITERS, Row

from qreal_tasks.tables import opening, spreadsheets
from qreal_tasks.tables.decoding import TableError
from qreal_tasks.tables.opening import Table, open_table

ROWS: list[Row] = [
    {"id": "007", "text": 'a "b", c;\td'},
    {"id": "8", "text": "two\nlines\r\nand a third"},
    {"id": "9", "text": " blanks around \u2028 é 漢 "},
]


def opened(path: Path, content: bytes) -> Table:
    path.write_bytes(content)
    return open_table(path, lambda headings: "text" in headings)


def cells(table: Table) -> list[Row]:
    return [dict(row.cells) for row in table.rows]


@pytest.mark.parametrize("name", WRITERS)
def test_texts_come_as_they_were_written(name: str, tmp_path: Path) -> None:
    table = opened(tmp_path / name, WRITERS[name](ROWS))
    assert cells(table) == ROWS
    assert table.headings == ("id", "text")
    assert table.note == ""


@pytest.mark.parametrize(("content", "name"), [("a.parquet", "a.csv"), ("a.xlsx", "a.tsv"), ("a.jsonl", "a.csv")])
def test_the_content_counts_and_not_the_name(content: str, name: str, tmp_path: Path) -> None:
    assert cells(opened(tmp_path / name, WRITERS[content](ROWS))) == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    text = WRITERS["a.csv"](ROWS).decode("utf-8-sig")
    assert cells(opened(tmp_path / "a.csv", text.encode(encoding))) == ROWS


def test_a_guessed_encoding_is_noted(tmp_path: Path) -> None:
    table = opened(tmp_path / "a.csv", "id,text\n1,café\n".encode("cp1252"))
    assert (cells(table), table.note) == ([{"id": "1", "text": "café"}], "read as Windows-1252")


def test_a_separator_that_the_first_line_states(tmp_path: Path) -> None:
    table = opened(tmp_path / "a.csv", b"sep=|\r\nid|text\r\n1|a,b\r\n")
    assert cells(table) == [{"id": "1", "text": "a,b"}]
    assert table.rows[0].place == "line 3"


def test_long_cells_are_read(tmp_path: Path) -> None:
    long = [{"id": "1", "text": "x" * 500_000}]
    assert cells(opened(tmp_path / "a.csv", WRITERS["a.csv"](long))) == long
    with pytest.raises(TableError, match="a cell of more than 1,048,576 characters"):
        opened(tmp_path / "a.csv", WRITERS["a.csv"]([{"id": "1", "text": "x" * 2**21}]))


def test_the_first_of_several_sheets(tmp_path: Path) -> None:
    book = Workbook()
    page: Any = book.active
    page.title = "Answers"
    for line in (("id", "text"), (1, "a"), (None, None), (2.5, True)):
        page.append(line)
    book.create_sheet("Notes")
    out = io.BytesIO()
    book.save(out)
    table = opened(tmp_path / "a.xlsx", out.getvalue())
    assert [(row.place, *row.cells.values()) for row in table.rows] == [("row 2", 1, "a"), ("row 4", 2.5, True)]
    assert table.note == "only the first of 2 sheets, 'Answers', is read"


def test_rows_inside_of_an_object_of_a_known_form(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"rows": ROWS}, indent=1), encoding="utf-8")
    assert cells(open_table(path, bool, lambda found: found.get("rows"))) == ROWS
    with pytest.raises(TableError, match="expected a JSON object a line"):
        open_table(path, bool, lambda found: found.get("other"))


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST_BYTES", 10_000)
    monkeypatch.setattr(opening, "MOST_ROWS", 50)
    monkeypatch.setattr(spreadsheets, "MOST_UNPACKED_BYTES", 100)
    many = [{"id": str(n), "text": "x"} for n in range(51)]
    for name in ("a.jsonl", "a.csv", "a.parquet", "a.json"):
        with pytest.raises(TableError, match="more than 50 rows"):
            opened(tmp_path / name, WRITERS[name](many))
    with pytest.raises(TableError, match="more than 10,000 bytes;"):
        opened(tmp_path / "a.csv", b"x" * 10_001)
    with pytest.raises(TableError, match="more than 10,000 bytes when unpacked"):
        opened(tmp_path / "a.jsonl.gz", gzip.compress(b"x" * 10_001))
    with pytest.raises(TableError, match="expected at most 100"):
        opened(tmp_path / "a.xlsx", WRITERS["a.xlsx"](ROWS))


def test_without_the_library_for_spreadsheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = WRITERS["a.xlsx"](ROWS)
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(TableError, match="pip install openpyxl"):
        opened(tmp_path / "a.xlsx", content)
