"""Opens a table of any kind that people send: told by what is in the file, not by its name alone."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from qreal_tasks.files.parquet_limits import check_parquet
from qreal_tasks.files.regular import TooLargeError, open_file, read_bytes, require_file
from qreal_tasks.files.system_errors import describe_error
from qreal_tasks.tables.decoding import TableError, decode_text
from qreal_tasks.tables.spreadsheets import read_spreadsheet
from qreal_tasks.tables.text_tables import SEPARATORS, PlacedRow, read_objects, read_separated
from qreal_tasks.text.json_text import load_json

MOST_BYTES = 2**30
"""Of a file, and of a compressed one after it is unpacked."""
MOST_ROWS = 1_000_000
LONGEST_CELL = 2**20
"""Characters of one cell of a table with separators: as many as an answer in a submission may have."""
KINDS = ".jsonl, .json, .csv, .tsv (each also with .gz), .parquet, .xlsx"
_OBJECTS = (".jsonl", ".ndjson", ".json")
_REFUSED = (
    (b"\x80", "a pickle, which runs what is in it when it is opened"),
    (b"\xd0\xcf\x11\xe0", "an old .xls file, or a spreadsheet with a password"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"ARROW1", "an Arrow file"),
)
"""What a file begins with that is not opened, and what it is."""
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib")


@dataclass(frozen=True)
class Table:
    """The content of a table."""

    headings: tuple[str, ...]
    """As they stand; one that stands twice is there twice."""
    rows: tuple[PlacedRow, ...]
    kind: str
    """The ending of such files."""
    note: str = ""
    """What had to be guessed or left out; empty for most."""


def open_table(
    path: Path, fits: Callable[[Sequence[str]], bool], unwrap: Callable[[Any], list[Any] | None] = lambda _: None
) -> Table:
    """Read a whole table.

    Args:
        fits: whether headings are those of the table that is looked for; tells the separator of a .csv.
        unwrap: gives the rows that lie inside of a JSON object of a known form, None for any other.

    Raises:
        TableError: it is none of ``KINDS``, is damaged, empty or over a limit; the message says where and what to do.
        OSError: it cannot be read.
    """
    with open_file(path) as file:
        start = file.read(8)
    _refuse(path, start)
    if start.startswith(b"PAR1"):
        headings, rows, kind, note = *_read_parquet(path), ".parquet", ""
    elif start.startswith(b"PK"):
        headings, rows, note = read_spreadsheet(path)
        kind = ".xlsx"
    else:
        return _open_text(path, fits, unwrap)
    return _whole(path, headings, rows, kind, note)


def _refuse(path: Path, start: bytes) -> None:
    if not start.strip():
        raise TableError(f"{path} is empty, expected a table with a row for each prediction")
    if path.suffix.lower() in _PICKLES:
        raise TableError(f"{path} is a pickle by its name, which runs what is in it when it is opened; {_advice()}")
    for mark, what in _REFUSED:
        if start.startswith(mark):
            raise TableError(f"{path} is {what}; {_advice()}")


def _advice() -> str:
    return f"expected {KINDS}: save it as one of them"


def _open_text(path: Path, fits: Callable[[Sequence[str]], bool], unwrap: Callable[[Any], list[Any] | None]) -> Table:
    try:
        raw = read_bytes(path, MOST_BYTES)
        name = path
        if raw.startswith(b"\x1f\x8b"):
            raw, name = _unpack(path, raw), path.with_suffix("") if path.suffix.lower() == ".gz" else path
        decoded = decode_text(raw)
    except TooLargeError as error:
        raise TableError(f"{path} {error}; make several files, each with a --predictions") from None
    except TableError as error:
        raise TableError(f"{path} cannot be read: {error}") from None
    text, kind = decoded.text.lstrip("\ufeff"), name.suffix.lower()
    if not text.strip():
        raise TableError(f"{path} is empty, expected a table with a row for each prediction")
    if text.lstrip()[0] in "[{":
        kind = kind if kind in _OBJECTS else ".jsonl"
        rows = list(islice(_objects(text, path, unwrap), MOST_ROWS + 1))
        headings = dict.fromkeys(key for row in rows for key in row.cells)
        return _whole(path, list(headings), iter(rows), kind, decoded.note)
    if kind not in SEPARATORS:
        raise TableError(f"{path} is no table that is known by its name or its content; {_advice()}")
    with _cells_of(LONGEST_CELL):
        separated, lines = read_separated(text, name, fits, strip=False)
        return _whole(path, separated, lines, kind, decoded.note)


def _objects(text: str, path: Path, unwrap: Callable[[Any], list[Any] | None]) -> Iterator[PlacedRow]:
    """JSON lines, a list, or what lies in an object of a known form."""
    if text.lstrip().startswith("{"):
        try:
            inside = unwrap(load_json(text))
        except ValueError:  # lines, or damage, which reading them says
            inside = None
        if inside is not None:
            text = json.dumps(inside)
    return read_objects(text, path)


def _whole(path: Path, headings: Sequence[str], rows: Iterator[PlacedRow], kind: str, note: str) -> Table:
    found = tuple(islice(rows, MOST_ROWS + 1))
    if len(found) > MOST_ROWS:
        raise TableError(f"{path}: more than {MOST_ROWS:,} rows; make several files, each with a --predictions")
    if not found:
        raise TableError(f"{path}: no row but the headings, expected one for each prediction")
    return Table(tuple(headings), found, kind, note)


@contextmanager
def _cells_of(most: int) -> Iterator[None]:
    before = csv.field_size_limit(most)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _unpack(path: Path, raw: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(raw)) as file:
            found = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"the compressed file is damaged ({error}); make it again") from None
    if len(found) > MOST_BYTES:
        raise TooLargeError(f"has more than {MOST_BYTES:,} bytes when unpacked")
    return found


def _read_parquet(path: Path) -> tuple[Sequence[str], Iterator[PlacedRow]]:
    try:
        check_parquet(require_file(path))
        with pq.ParquetFile(path) as file:
            rows = file.read().to_pylist()
            names = file.schema_arrow.names
    except (OSError, pa.ArrowException) as error:
        raise TableError(f"{path} cannot be read: {describe_error(error)}") from None
    except ValueError as error:
        raise TableError(f"{path}: {error}; make several files, each with a --predictions") from None
    return names, (PlacedRow(f"row {number}", row) for number, row in enumerate(rows))
