"""Parquet files of bounded size: a split is written row by row, and no more than a row group is in memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.run.schemas import Row

MOST_FILE_BYTES = 400 * 2**20
"""The hub converts no file, and shows each, up to 500 MB."""
MOST_GROUP_BYTES = 24 * 2**20
MOST_GROUP_ROWS = 100
"""A page of the hub's viewer reads a whole row group."""


class SplitWriter:
    """``FOLDER/data/CONFIG/SPLIT-00000-of-00002.parquet`` …; how many there are is known at the end.

    Equal rows give equal bytes.
    """

    def __init__(
        self, folder: Path, config: str, split: str, schema: pa.Schema, most_file_bytes: int = MOST_FILE_BYTES
    ) -> None:
        self._folder, self._split, self._schema = folder / "data" / config, split, schema
        self._most_file_bytes = most_file_bytes
        self._rows: list[Row] = []
        self._bytes = self._in_file = 0
        self._writer: pq.ParquetWriter | None = None
        self._files: list[Path] = []
        self.rows = 0

    def add(self, row: Row) -> None:
        """One more row; it is on disk when enough others are, or at the end."""
        self._rows.append(row)
        self._bytes += picture_bytes(row)
        self.rows += 1
        if len(self._rows) >= MOST_GROUP_ROWS or self._bytes >= min(MOST_GROUP_BYTES, self._most_file_bytes):
            self._flush()

    def close(self) -> list[Path]:
        """Give the files their names and return them; a split without rows is an empty file."""
        if self._rows or not self._files:
            self._flush()
        self._close_file()
        named = []
        for number, path in enumerate(self._files):
            name = f"{self._split}-{number:05d}-of-{len(self._files):05d}.parquet"
            named.append(path.rename(path.with_name(name)))
        return named

    def abandon(self) -> None:
        """Close what is open; the folder is of no use."""
        with suppress(OSError, pa.ArrowException):  # the disk is full: the footer cannot be written either
            self._close_file()

    def _close_file(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _flush(self) -> None:
        table = pa.Table.from_pylist(self._rows, schema=self._schema)
        if self._in_file + self._bytes > self._most_file_bytes:
            self._close_file()
        if self._writer is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._files.append(self._folder / f".{self._split}-{len(self._files):05d}.writing")
            self._writer = pq.ParquetWriter(
                str(self._files[-1]), self._schema, compression="zstd", write_page_index=True
            )
            self._in_file = 0
        self._writer.write_table(table, row_group_size=max(1, len(table)))
        self._in_file += self._bytes
        self._rows, self._bytes = [], 0


def picture_bytes(row: Row) -> int:
    """Nearly all of a row that has a picture; other rows are small."""
    picture = row.get("image")
    return len(picture["bytes"]) if picture else 2_000
