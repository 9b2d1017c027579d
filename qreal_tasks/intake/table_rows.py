"""Reads tables as spreadsheets and programs write them: .csv, .tsv, .jsonl and .json."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.files import require_content
from qreal_tasks.intake.inputs import find_columns
from qreal_tasks.intake.settings import ColumnNames
from qreal_tasks.intake.text_files import decode_text
from qreal_tasks.tables.decoding import TableError
from qreal_tasks.tables.text_tables import SEPARATORS, PlacedRow, read_objects, read_separated

TableRow = Mapping[str, Any]
TEXT_TABLES = (*SEPARATORS, ".jsonl", ".json")
MOST_BYTES = 2**28
"""Bytes of a table that is a text file, at most."""
MOST_ROWS = 1_000_000
"""Rows of one such table, at most."""


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
        IntakeError: the file cannot be read, a line of it is no row, or there are too many.
    """
    try:
        decoded = decode_text(require_content(os.fsencode(path), MOST_BYTES))
    except IntakeError as error:
        raise IntakeError(f"{path} cannot be read: {error}") from error
    text = decoded.text.lstrip("\ufeff")
    with _as_intake_errors():
        if path.suffix.lower() in SEPARATORS:
            headings, rows = read_separated(text, path, lambda tried: find_columns(tried, columns).image is not None)
            _check_named_once(headings, path, columns)
            return TableRows(headings, _limit(rows, path), decoded.note)
        objects = list(_limit(read_objects(text, path), path))
    return TableRows(list(dict.fromkeys(key for row in objects for key in row)), objects, decoded.note)


@contextmanager
def _as_intake_errors() -> Iterator[None]:
    try:
        yield
    except TableError as error:
        raise IntakeError(str(error)) from error


def _limit(rows: Iterable[PlacedRow], path: Path) -> Iterator[TableRow]:
    with _as_intake_errors():
        for number, row in enumerate(rows, start=1):
            if number > MOST_ROWS:
                raise IntakeError(f"{path}: more than {MOST_ROWS:,} rows; make several tables, and a run of each")
            yield row.cells


def _check_named_once(headings: Sequence[str], path: Path, columns: ColumnNames) -> None:
    for heading in filter(None, astuple(find_columns(headings, columns))):
        if (count := headings.count(heading)) > 1:
            raise IntakeError(f"{path}: {count} columns are called {heading!r}, expected one; rename the others")
