"""Reads parquet files as tables of pictures, or of paths to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from qreal_tasks.files.parquet_limits import check_parquet
from qreal_tasks.files.regular import require_file
from qreal_tasks.files.system_errors import describe_error
from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.inputs import find_columns
from qreal_tasks.intake.settings import ColumnNames
from qreal_tasks.intake.table_rows import TableRow, TableRows
from qreal_tasks.text.one_line import one_line

_ROWS_AT_A_TIME = 1_000
"""So few, since each may hold a text of a megabyte."""


def read_parquet_table(path: Path, columns: ColumnNames) -> TableRows:
    """Read the rows without embedded pictures; of those only their paths.

    Raises:
        IntakeError: the file cannot be read, is over a limit of ``parquet_limits``, or the column of pictures holds
            neither pictures nor paths.
    """
    schema = read_parquet_schema(path)
    found = find_columns(schema.names, columns)
    wanted = [name for name in (found.prompt, found.generator, found.prompt_id) if name]
    if found.image and not embeds_pictures(path, found.image):
        wanted.append(found.image)
    elif found.image and "path" in _fields(schema.field(found.image).type):
        wanted.append(f"{found.image}.path")
    try:
        check_parquet(path, [*wanted, *([found.image] if found.image else [])])
    except (OSError, pa.ArrowException) as error:
        raise IntakeError(f"{path} cannot be read: {describe_error(error)}") from error
    except ValueError as error:
        raise IntakeError(f"{path}: {error}; make several tables, and a run of each") from error
    classes = read_class_names(schema)
    return TableRows(schema.names, (name_classes(row, classes) for row in _read(path, wanted)))


def read_class_names(schema: pa.Schema) -> Mapping[str, Sequence[str]]:
    """Read the classes of columns that the datasets library has written as ``ClassLabel``: they hold numbers."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: list(one["names"]) for name, one in features.items() if one.get("_type") == "ClassLabel"}
    except (ValueError, LookupError, TypeError, AttributeError):  # somebody else's metadata
        return {}


def name_classes(row: TableRow, classes: Mapping[str, Sequence[str]]) -> TableRow:
    """The row with the names of classes in the place of their numbers."""
    named = {
        name: names[held]
        for name, names in classes.items()
        if isinstance(held := row.get(name), int) and 0 <= held < len(names)
    }
    return {**row, **named}


def embeds_pictures(path: Path, column: str) -> bool:
    """Whether a column holds pictures; else it holds paths.

    Raises:
        IntakeError: it holds neither.
    """
    kind = read_parquet_schema(path).field(column).type
    if pa.types.is_struct(kind):
        fields = _fields(kind)
        content, name = fields.get("bytes", pa.null()), fields.get("path", pa.null())
        if fields.keys() & {"bytes", "path"} and _is_bytes(content) and _is_text(name):
            return True
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    if _is_text(plain):
        return False
    if _is_bytes(plain):
        return True
    raise IntakeError(
        f"{path}: column {column!r} is {one_line(str(kind), 200)}, expected pictures (binary, or a struct of bytes and "
        "path) or paths (string); write one picture a row"
    )


def read_parquet_schema(path: Path) -> pa.Schema:
    """Read the columns of a file.

    Raises:
        IntakeError: it cannot be read.
    """
    try:
        return pq.read_schema(require_file(path))
    except (OSError, pa.ArrowException) as error:
        raise IntakeError(f"{path} cannot be read: {describe_error(error)}") from error


def _read(path: Path, wanted: list[str]) -> Iterator[TableRow]:
    try:
        with pq.ParquetFile(require_file(path)) as file:
            for batch in file.iter_batches(_ROWS_AT_A_TIME, columns=wanted):
                yield from batch.to_pylist() if wanted else [{}] * batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise IntakeError(f"{path} cannot be read: {describe_error(error)}") from error


def _fields(kind: pa.DataType) -> dict[str, Any]:
    return {field.name: field.type for field in kind} if pa.types.is_struct(kind) else {}


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_null(kind))


def _is_text(kind: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind) or t.is_null(kind))
