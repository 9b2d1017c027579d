"""Tables that are text files: cells with a separator between, a JSON object a line, or a JSON list of objects."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from qreal_tasks.tables.decoding import TableError
from qreal_tasks.text.json_text import load_json

SEPARATORS = {".csv": ",;\t|", ".tsv": "\t,;|"}
"""What may stand between the cells of such a file, the likeliest first."""
_STATED_SEPARATOR = re.compile(r'"?sep=(.)', re.IGNORECASE)
"""The separator as the first line states it for Excel."""
_EXPECTED = "expected a JSON object a line, or one list of objects"


class PlacedRow(NamedTuple):
    """A row, and where it stands in its file: ``line 7``."""

    place: str
    cells: Mapping[str, Any]


def read_separated(
    text: str, path: Path, fits: Callable[[Sequence[str]], bool], *, strip: bool = True
) -> tuple[Sequence[str], Iterator[PlacedRow]]:
    """Read a table with separators: its headings, and its rows that are not blank.

    Args:
        path: for messages; its suffix is one of ``SEPARATORS``.
        fits: whether headings are those of the table that is looked for; tells the separator where none is stated.
        strip: leave out blanks before a cell.

    Raises:
        TableError: a quote is not closed, or a row has more cells than there are headings; also while rows are read.
    """
    stated = _STATED_SEPARATOR.match(text)
    if stated:
        text = "\n" + text.partition("\n")[2]  # a blank line, so that lines keep their numbers
    separators = stated[1] if stated else SEPARATORS[path.suffix.lower()]
    tried = {one: _read_headings(text, one, path) for one in separators}
    fitting = [one for one, headings in tried.items() if fits(headings)]
    separator = fitting[0] if fitting else max(tried, key=lambda one: len(tried[one]))
    headings = tried[separator]

    def rows() -> Iterator[PlacedRow]:
        lines = _read_cells(text, separator, path, strip)
        next(lines, None)
        for number, cells in lines:
            if any(cell.strip() for cell in cells[len(headings) :]):
                raise TableError(
                    f"{path}, line {number}: {len(cells)} cells, expected {len(headings)} as in the line of "
                    f"headings; put a cell that holds {separator!r} in double quotes"
                )
            yield PlacedRow(f"line {number}", dict(zip(headings, cells, strict=False)))

    return headings, rows()


def _read_headings(text: str, separator: str, path: Path) -> list[str]:
    """The headings, if this is what separates them."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        return next((cells for cells in lines if any(cell.strip() for cell in cells)), [])
    except csv.Error as error:
        raise _row_error(path, lines.line_num, error) from error


def _read_cells(text: str, separator: str, path: Path, strip: bool) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line and cells of every row that is not blank."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=strip, strict=True)
    try:
        for cells in lines:
            if any(cell.strip() for cell in cells):
                yield lines.line_num, cells
    except csv.Error as error:
        raise _row_error(path, lines.line_num, error) from error


def _row_error(path: Path, line: int, error: csv.Error) -> TableError:
    reason = f"{error}; close a cell in double quotes, and double every quote in it"
    if "field limit" in str(error):
        most = csv.field_size_limit()
        reason = f"a cell of more than {most:,} characters; perhaps a double quote before it is not closed"
    return TableError(f"{path}, line {line}: {reason}")


def read_objects(text: str, path: Path) -> Iterator[PlacedRow]:
    """Read JSON lines, or one list of objects.

    Raises:
        TableError: it is no JSON, or something in it is no object; while rows are read.
    """
    if text.lstrip().startswith("["):
        try:
            found = load_json(text)
        except ValueError as error:
            raise TableError(f"{path}: {error}; {_EXPECTED}") from error
        rows: Iterator[tuple[str, Any]] = ((f"item {number}", row) for number, row in enumerate(found))
    else:
        rows = _read_lines(text, path)
    for place, row in rows:
        if not isinstance(row, dict):
            raise TableError(f"{path}, {place}: {type(row).__name__}, {_EXPECTED}")
        yield PlacedRow(place, row)


def _read_lines(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    # Not splitlines: U+2028 and the like may stand in a string.
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if line.strip():
            try:
                yield f"line {number}", load_json(line)
            except ValueError as error:
                raise TableError(f"{path}, line {number}: {error}; {_EXPECTED}") from error
