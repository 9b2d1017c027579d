"""Spreadsheets (.xlsx) as tables, cell by cell, with what a spreadsheet does to texts."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from qreal_tasks.files.regular import open_file
from qreal_tasks.tables.decoding import TableError
from qreal_tasks.tables.text_tables import PlacedRow

LONGEST_CELL = 32_767
"""Characters that a cell holds at most; programs cut what is longer without a word."""
MOST_UNPACKED_BYTES = 2**30
"""Of all parts of the file."""


@dataclass(frozen=True)
class UnusableCell:
    """A cell that does not hold what its writer meant."""

    reason: str


def read_spreadsheet(path: Path) -> tuple[Sequence[str], Iterator[PlacedRow], str]:
    """Read the first sheet: headings, rows that are not blank, and a note where there are other sheets.

    A formula, and a text that was cut off, come as ``UnusableCell``.

    Raises:
        TableError: it is no spreadsheet, is over a limit, or the library for it is missing; also while rows are read.
        OSError: it cannot be read.
    """
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise TableError(
            f"{path}: reading a spreadsheet takes openpyxl (pip install openpyxl); or save it as CSV or JSON lines"
        ) from None
    try:
        file = open_file(path)
        with zipfile.ZipFile(file) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > MOST_UNPACKED_BYTES:
            raise TableError(f"{path}: unpacks to {unpacked:,} bytes, expected at most {MOST_UNPACKED_BYTES:,}")
        file.seek(0)
        book = load_workbook(file, read_only=True, keep_links=False)
        sheets = book.worksheets
        lines = sheets[0].iter_rows()
        headings = ["" if cell.value is None else str(cell.value) for cell in next(lines, ())]
    except (OSError, TableError):
        raise
    except Exception as error:  # of the archive, of its XML, of what the XML says: as many types as there are damages
        raise TableError(f"{path} cannot be read as a spreadsheet ({type(error).__name__}: {error!s:.200})") from None
    note = f"only the first of {len(sheets)} sheets, {sheets[0].title!r:.60}, is read" if len(sheets) > 1 else ""
    return headings, _rows(path, headings, lines, file), note


def _rows(path: Path, headings: Sequence[str], lines: Iterator[Any], file: BinaryIO) -> Iterator[PlacedRow]:
    """The rows; the file is closed behind the last."""
    try:
        for number, line in enumerate(lines, start=2):
            cells = {heading: _value(cell) for heading, cell in zip(headings, line, strict=False)}
            if any(value is not None for value in cells.values()):
                yield PlacedRow(f"row {number}", cells)
    except Exception as error:
        raise TableError(f"{path} cannot be read to its end ({type(error).__name__}: {error!s:.200})") from None
    finally:
        file.close()


def _value(cell: Any) -> Any:
    from openpyxl.utils.escape import unescape

    value = cell.value
    if not isinstance(value, str):
        return value
    if cell.data_type == "f":
        return UnusableCell(f"a formula, {value!r:.40}: save the sheet with values, or as text")
    if cell.data_type == "e":
        return UnusableCell(f"an error of the spreadsheet, {value!r:.40}")
    if len(value) == LONGEST_CELL:
        return UnusableCell(
            f"a text of {LONGEST_CELL:,} characters, the most that a cell holds, so it was cut off: write JSON lines "
            "or CSV"
        )
    return unescape(value)
