"""Reads tables as spreadsheets and programs write them: .csv, .tsv, .jsonl and .json."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from annotation.config import ColumnNames
from annotation.errors import AnnotationError
from annotation.intake.files import require_content
from annotation.intake.inputs import find_columns
from annotation.intake.text_files import decode_text

TableRow = Mapping[str, Any]
_SEPARATORS = {".csv": ",;\t|", ".tsv": "\t,;|"}
TEXT_TABLES = (*_SEPARATORS, ".jsonl", ".json")
MOST_BYTES = 2**28
"""Bytes of a table that is a text file, at most."""
MOST_ROWS = 1_000_000
"""Rows of one such table, at most."""
_STATED_SEPARATOR = re.compile(r'"?sep=(.)', re.IGNORECASE)
"""The separator as the first line states it for Excel."""


@dataclass(frozen=True)
class TableRows:
    """A table's content."""

    headings: Sequence[str]
    rows: Iterable[TableRow]
    note: str = ""
    """How the file was read, where that had to be guessed."""


def read_text_table(path: Path, columns: ColumnNames) -> TableRows:
    """Read the rows of a table that is a text file, in any encoding that ``decode_text`` knows.

    Args:
        columns: what is looked for; tells with which character the cells of a .csv or .tsv are separated.

    Raises:
        AnnotationError: the file cannot be read, a line of it is no row, or there are too many.
    """
    try:
        decoded = decode_text(require_content(os.fsencode(path), MOST_BYTES))
    except AnnotationError as error:
        raise AnnotationError(f"{path} cannot be read: {error}") from error
    text = decoded.text.lstrip("\ufeff")
    if path.suffix.lower() in _SEPARATORS:
        headings, rows = _read_separated(text, path, columns)
        _check_named_once(headings, path, columns)
        return TableRows(headings, _limit(rows, path), decoded.note)
    objects = list(_limit(_read_objects(text, path), path))
    return TableRows(list(dict.fromkeys(key for row in objects for key in row)), objects, decoded.note)


def _limit(rows: Iterable[TableRow], path: Path) -> Iterator[TableRow]:
    for number, row in enumerate(rows, start=1):
        if number > MOST_ROWS:
            raise AnnotationError(f"{path}: more than {MOST_ROWS:,} rows; make several tables, and a run of each")
        yield row


def _check_named_once(headings: Sequence[str], path: Path, columns: ColumnNames) -> None:
    for heading in filter(None, astuple(find_columns(headings, columns))):
        if (count := headings.count(heading)) > 1:
            raise AnnotationError(f"{path}: {count} columns are called {heading!r}, expected one; rename the others")


def _read_separated(text: str, path: Path, columns: ColumnNames) -> tuple[Sequence[str], Iterator[TableRow]]:
    stated = _STATED_SEPARATOR.match(text)
    if stated:
        text = "\n" + text.partition("\n")[2]  # a blank line, so that lines keep their numbers
    tried = {
        one: _read_headings(text, one, path) for one in (stated[1] if stated else _SEPARATORS[path.suffix.lower()])
    }
    fitting = [one for one, headings in tried.items() if find_columns(headings, columns).image]
    separator = fitting[0] if fitting else max(tried, key=lambda one: len(tried[one]))
    headings = tried[separator]

    def rows() -> Iterator[TableRow]:
        lines = _read_cells(text, separator, path)
        next(lines, None)
        for number, cells in lines:
            if any(cell.strip() for cell in cells[len(headings) :]):
                raise AnnotationError(
                    f"{path}, line {number}: {len(cells)} cells, expected {len(headings)} as in the line of "
                    f"headings; put a cell that holds {separator!r} in double quotes"
                )
            yield dict(zip(headings, cells, strict=False))

    return headings, rows()


def _read_headings(text: str, separator: str, path: Path) -> list[str]:
    """The headings, if this is what separates them."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        return next((cells for cells in lines if any(cell.strip() for cell in cells)), [])
    except csv.Error as error:
        raise _row_error(path, lines.line_num, error) from error


def _read_cells(text: str, separator: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line and cells of every row that is not blank."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for cells in lines:
            if any(cell.strip() for cell in cells):
                yield lines.line_num, cells
    except csv.Error as error:
        raise _row_error(path, lines.line_num, error) from error


def _row_error(path: Path, line: int, error: csv.Error) -> AnnotationError:
    reason = f"{error}; close a cell in double quotes, and double every quote in it"
    if "field limit" in str(error):
        most = csv.field_size_limit()
        reason = f"a cell of more than {most:,} characters; perhaps a double quote before it is not closed"
    return AnnotationError(f"{path}, line {line}: {reason}")


def _read_objects(text: str, path: Path) -> Iterator[TableRow]:
    """JSON lines, or one list of objects."""
    expected = "expected a JSON object a line, or one list of objects"
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise AnnotationError(f"{path}: {_json_reason(error)}; {expected}") from error
        rows: Iterable[tuple[str, Any]] = ((f"item {number}", row) for number, row in enumerate(found))
    else:
        rows = _read_lines(text, path, expected)
    for place, row in rows:
        if not isinstance(row, dict):
            raise AnnotationError(f"{path}, {place}: {type(row).__name__}, {expected}")
        yield row


def _read_lines(text: str, path: Path, expected: str) -> Iterator[tuple[str, Any]]:
    # Not splitlines: U+2028 and the like may stand in a string.
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if line.strip():
            try:
                yield f"line {number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                raise AnnotationError(f"{path}, line {number}: {_json_reason(error)}; {expected}") from error


def _json_reason(error: ValueError | RecursionError) -> str:
    return "its values lie too deep in one another" if isinstance(error, RecursionError) else str(error)
