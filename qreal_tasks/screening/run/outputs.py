"""What a run writes for others: rows as parquet, JSONL and CSV, and the summary."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.files.atomic import name_errors, replace_file, write_whole
from qreal_tasks.screening.rows import ROWS_FILE, SCHEMA, ScreeningRow, make_table
from qreal_tasks.screening.run.joining import JoinedRows
from qreal_tasks.screening.run.summary import ScreeningSummary
from qreal_tasks.tables.plain_cells import as_plain_cell

_ROWS_A_GROUP = 64
_COLUMNS = (
    *("image", "state", "reason", "same_as", "generator", "prompt", "prompt_id", "width", "height"),
    *("severity", "p_realism", "p_plausibility", "raw_p_realism", "raw_p_plausibility"),
)
"""Columns of the CSV that are those of the rows."""
_ENTITY_COLUMNS = ("label", "x1", "y1", "x2", "y2", "importance", *IMAGEQA_SETS)
"""Of the most important entity."""


class GrowingLines:
    """``images.partial.jsonl``, which has every row as soon as the rows before it are there.

    At the end it becomes ``images.jsonl``.
    """

    def __init__(self, path: Path, rows: JoinedRows, pending: Collection[int]) -> None:
        self._path, self._file = path, path.open("w", encoding="utf-8", newline="\n")
        self._rows = rows.as_they_come(lambda: pending)

    def advance(self) -> None:
        """Write the rows that are there by now."""
        with name_errors(self._path):
            for row in self._rows:
                if row is None:
                    break
                self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            self._file.flush()

    def finish(self, place: Path) -> None:
        """Write what is left, and put the file in its place."""
        self.advance()
        with name_errors(self._path):
            os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._path, place)

    def close(self) -> None:
        """Let go of the file, which stays as far as it has grown."""
        self._file.close()


@contextmanager
def growing_lines(path: Path, rows: JoinedRows, pending: Collection[int]) -> Iterator[GrowingLines]:
    """Lines that grow while the block lasts, see ``GrowingLines``.

    Raises:
        OSError: they cannot be written.
    """
    with name_errors(path):
        lines = GrowingLines(path, rows, pending)
    try:
        yield lines
    finally:
        lines.close()


def write_tables(out: Path, rows: Iterable[ScreeningRow], summary: ScreeningSummary) -> None:
    """Write parquet and CSV, each in one step, and count the rows into the summary.

    Raises:
        OSError: a file cannot be written; the ones before it are new, the others as they were.
    """
    with ExitStack() as files:
        parquet = files.enter_context(replace_file(out / ROWS_FILE, sync=True))
        plain = files.enter_context(replace_file(out / "images.csv", sync=True))
        with pq.ParquetWriter(parquet, SCHEMA, compression="zstd") as writer, plain.open("w", encoding="utf-8") as text:
            cells = csv.writer(text, lineterminator="\n")
            cells.writerow([*_COLUMNS, *QUESTION_NAMES, "entities", *(f"entity_{name}" for name in _ENTITY_COLUMNS)])
            for some in _in_groups(rows):
                writer.write_table(make_table(some))
                for row in some:
                    summary.add(row)
                    cells.writerow(_cells(row))


def write_summary(out: Path, summary: ScreeningSummary) -> None:
    """Write ``summary.json``."""
    write_whole(out / "summary.json", json.dumps(summary.to_json(), indent=1, ensure_ascii=False) + "\n")


def _cells(row: ScreeningRow) -> list[str]:
    first = row["entities"][0] if row["entities"] else None
    entity: list[Any] = [None] * len(_ENTITY_COLUMNS)
    if first is not None:
        reasons = [first["reasons"][name] for name in IMAGEQA_SETS]
        entity = [first["label"], *first["bbox"], first["importance"], *reasons]
    held = dict(row)
    values = [held[name] for name in _COLUMNS]
    return [_cell(one) for one in (*values, *row["p_question"].values(), len(row["entities"]), *entity)]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return as_plain_cell(value) if isinstance(value, str) else repr(value)


def _in_groups(rows: Iterable[ScreeningRow]) -> Iterator[list[ScreeningRow]]:
    held: list[ScreeningRow] = []
    for row in rows:
        held.append(row)
        if len(held) == _ROWS_A_GROUP:
            yield held
            held = []
    if held:
        yield held
