"""Parquet files that are there whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.errors import AnnotationError

_RECIPE = b"qreal_recipe"


def write_table(path: Path, table: pa.Table, recipe: str) -> None:
    """Write beside and rename: a reader finds the old file, the new one or none, whatever is killed when.

    Equal tables give equal bytes. ``recipe`` is what the content was made with; ``recipe_of`` reads it back.
    """
    write_groups(path, [table], table.schema, recipe)


def write_groups(path: Path, groups: Iterable[pa.Table], schema: pa.Schema, recipe: str) -> None:
    """As ``write_table``, each table a row group that can be read by itself; one is in memory at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = schema.with_metadata({**(schema.metadata or {}), _RECIPE: recipe.encode()})
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with beside.open("wb") as file:
            with pq.ParquetWriter(file, whole, compression="zstd") as writer:
                for group in groups:
                    writer.write_table(group.replace_schema_metadata(whole.metadata), row_group_size=max(1, len(group)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read_group(path: Path, group: int, columns: Sequence[str] | None = None) -> pa.Table:
    """One row group of the file.

    Raises:
        AnnotationError: the file is missing or damaged.
    """
    try:
        with pq.ParquetFile(path) as file:
            return file.read_row_group(group, columns=None if columns is None else list(columns))
    except (OSError, pa.ArrowException) as error:
        raise AnnotationError(f"{path} cannot be read ({error}); delete it, and the next run makes it again") from error


def group_count(path: Path) -> int:
    """Row groups of a file, from its footer."""
    return int(_footer(path).num_row_groups)


def write_rows(path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema, recipe: str) -> None:
    """As ``write_table``. A row with a column that the schema lacks, or without one it has, is a mistake.

    Raises:
        KeyError: the columns differ.
    """
    names = set(schema.names)
    for row in rows:
        if row.keys() != names:
            raise KeyError(f"{path.parent.name}: columns {sorted(names ^ row.keys())} are missing or unknown")
    write_table(path, pa.Table.from_pylist(list(rows), schema=schema), recipe)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The table.

    Raises:
        AnnotationError: the file is missing or damaged.
    """
    try:
        return pq.read_table(path, columns=None if columns is None else list(columns), partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise AnnotationError(f"{path} cannot be read ({error}); delete it, and the next run makes it again") from error


def recipe_of(path: Path) -> str | None:
    """What the file was made with; None when there is no file, or another program made it.

    Raises:
        AnnotationError: the file is damaged.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException) as error:
        raise AnnotationError(f"{path} cannot be read ({error}); delete it, and the next run makes it again") from error
    found = metadata.get(_RECIPE)
    return None if found is None else found.decode()


def row_count(path: Path) -> int:
    """Rows of a file, from its footer."""
    return int(_footer(path).num_rows)


def _footer(path: Path) -> Any:
    try:
        return pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise AnnotationError(f"{path} cannot be read ({error}); delete it, and the next run makes it again") from error
