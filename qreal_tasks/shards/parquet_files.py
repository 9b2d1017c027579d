"""Parquet files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from qreal_tasks.files.atomic import replace_file
from qreal_tasks.files.regular import require_file
from qreal_tasks.files.system_errors import describe_error, explain_refusal
from qreal_tasks.shards.errors import ShardError

_RECIPE = b"qreal_recipe"


def write_table(path: Path, table: pa.Table, recipe: str) -> None:
    """Write a table: beside, then rename: a reader finds the old file, the new one or none, whatever is killed when.

    Equal tables give equal bytes. ``recipe`` is what the content was made with; ``read_recipe`` reads it back.
    """
    write_groups(path, [table], table.schema, recipe)


def write_groups(path: Path, groups: Iterable[pa.Table], schema: pa.Schema, recipe: str) -> None:
    """Write tables as ``write_table``, each as a row group that can be read by itself; one is in memory at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = schema.with_metadata({**(schema.metadata or {}), _RECIPE: recipe.encode()})
    with replace_file(path, sync=True) as beside, pq.ParquetWriter(beside, whole, compression="zstd") as writer:
        for group in groups:
            writer.write_table(group.replace_schema_metadata(whole.metadata), row_group_size=max(1, len(group)))


def read_group(path: Path, group: int, columns: Sequence[str] | None = None) -> pa.Table:
    """Read one row group of a file.

    Raises:
        ShardError: the file is missing or damaged.
    """
    with _explain_errors(path), pq.ParquetFile(require_file(path)) as file:
        return file.read_row_group(group, columns=None if columns is None else list(columns))


def read_groups(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Read the row groups of a file one after the other; one is in memory at a time.

    Raises:
        ShardError: the file is missing or damaged.
    """
    with _explain_errors(path), pq.ParquetFile(require_file(path)) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=None if columns is None else list(columns))


def count_groups(path: Path) -> int:
    """Count the row groups of a file, from its footer."""
    return int(_footer(path).num_row_groups)


def count_group_rows(path: Path) -> list[int]:
    """Count the rows of each row group, from the file's footer."""
    footer = _footer(path)
    return [int(footer.row_group(group).num_rows) for group in range(footer.num_row_groups)]


def write_rows(path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema, recipe: str) -> None:
    """Write rows as ``write_table``. A row with a column that the schema lacks, or without one it has, is a mistake.

    Raises:
        KeyError: the columns differ.
    """
    names = set(schema.names)
    for row in rows:
        if row.keys() != names:
            raise KeyError(f"{path.parent.name}: columns {sorted(names ^ row.keys())} are missing or unknown")
    write_table(path, pa.Table.from_pylist(list(rows), schema=schema), recipe)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table.

    Raises:
        ShardError: the file is missing or damaged.
    """
    with _explain_errors(path):
        return pq.read_table(require_file(path), columns=None if columns is None else list(columns), partitioning=None)


def read_recipe(path: Path) -> str | None:
    """Read what the file was made with; None when there is no file, or another program made it.

    Raises:
        ShardError: the file is damaged.
    """
    with _explain_errors(path):
        try:
            metadata = pq.read_schema(require_file(path)).metadata or {}
        except FileNotFoundError:
            return None
    found = metadata.get(_RECIPE)
    return None if found is None else found.decode()


def count_rows(path: Path) -> int:
    """Count the rows of a file, from its footer."""
    return int(_footer(path).num_rows)


def _footer(path: Path) -> Any:
    with _explain_errors(path):
        return pq.read_metadata(require_file(path))


@contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    """Name the file and the reason. A refusal of the system is no damage: who deletes the file for it pays again."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        damaged = f"{path} cannot be read ({describe_error(error)}); delete it, and the next run makes it again"
        raise ShardError(explain_refusal(error, path) or damaged) from error
