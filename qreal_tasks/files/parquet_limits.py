"""How much a parquet file of somebody else may hold once it is unpacked.

A file of two kilobytes can hold a million copies of a text of a megabyte: equal values are stored once. Readers write
them out, into memory or a cache on disk. So the numbers of the file's footer and the lengths of its texts and pictures
are looked at first, while equal values are still one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MOST_ROWS = 5_000_000
"""Rows of one file."""
MOST_VALUES = 50_000_000
"""Values of one column, lists counted with all they hold."""
MOST_BYTES = 2**30
"""Size of all texts and pictures of a file, each copy counted, or ``MOST_TIMES`` as many as the file has."""
MOST_TIMES = 8
LONGEST_TEXT = 2**20
"""Bytes of one text."""
LONGEST_PICTURE = 2**29
"""Bytes of one picture: 50 million pixels of 16 bits, not compressed, have fewer."""
_FIT_IN_MEMORY = 2**28
_READ_BYTES = 2**20
_MOST_AT_ONCE = 2**16
"""Rows."""
_CAN_BE_EQUAL = {"PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"}
"""Encodings of which the library can keep equal values one."""


def check_parquet(path: Path, columns: Iterable[str] | None = None) -> None:
    """Refuse a file that is over a limit.

    Args:
        columns: names, with a dot before what lies in them; None for all.

    Raises:
        ValueError: the message names the column, what was found and the limit.
        OSError, pa.ArrowException: it cannot be read.
    """
    with pq.ParquetFile(path) as file:
        footer = file.metadata
    _at_most(footer.num_rows, MOST_ROWS, "rows")
    wanted = None if columns is None else tuple(columns)
    leaves = [
        (number, footer.schema.column(number))
        for number in range(footer.num_columns)
        if wanted is None or _is_in(footer.schema.column(number).path, wanted)
    ]
    texts = [(number, leaf) for number, leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    most = max(MOST_BYTES, MOST_TIMES * path.stat().st_size)
    stored = 0
    for group in range(footer.num_row_groups):
        for number, leaf in leaves:
            chunk = footer.row_group(group).column(number)
            _at_most(chunk.num_values, MOST_VALUES, f"values in column {leaf.path}")
            stored += chunk.total_uncompressed_size
    _at_most(stored, most, "bytes when unpacked")
    written_out = 0
    for number, leaf in texts:
        is_text = leaf.logical_type.type == "STRING"
        longest = LONGEST_TEXT if is_text else LONGEST_PICTURE
        for lengths in _lengths(path, number, leaf.path):
            found = pc.max(lengths).as_py() or 0
            _at_most(found, longest, f"bytes in one {'text' if is_text else 'value'} of column {leaf.path}")
            written_out += pc.sum(lengths).as_py() or 0
            _at_most(written_out, most, "bytes in texts and pictures, each copy counted")


def _at_most(found: int, most: int, what: str) -> None:
    if found > most:
        raise ValueError(f"it has {found:,} {what}, expected at most {most:,}")


def _is_in(path: str, columns: tuple[str, ...]) -> bool:
    return any(path == column or path.startswith(f"{column}.") for column in columns)


def _lengths(path: Path, number: int, leaf: str) -> Iterator[pa.Array]:
    """Lengths of the values of a column, some rows at a time. Equal values are read as one where the file stores them
    so; no value is longer than what its column stores, which says how many rows fit into memory elsewhere."""
    with (
        pq.ParquetFile(path, read_dictionary=[leaf], buffer_size=_READ_BYTES) as equal_once,
        pq.ParquetFile(path, buffer_size=_READ_BYTES) as plain,
    ):
        for group in range(plain.num_row_groups):
            chunk = plain.metadata.row_group(group).column(number)
            stored = chunk.total_uncompressed_size  # of all pictures of a set, where its only row group has them
            if stored <= _FIT_IN_MEMORY and _CAN_BE_EQUAL.issuperset(chunk.encodings):
                batches = equal_once.iter_batches(_MOST_AT_ONCE, row_groups=[group], columns=[leaf])
            else:
                rows = min(max(8, _FIT_IN_MEMORY // max(stored, 1)), _MOST_AT_ONCE)
                batches = plain.iter_batches(rows, row_groups=[group], columns=[leaf])
            for batch in batches:
                yield from map(_lengths_of, _values(batch.column(0)))


def _lengths_of(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        return pc.binary_length(values.dictionary).take(values.indices)
    return pc.binary_length(values)


def _values(column: pa.Array) -> Iterator[pa.Array]:
    """The values of a column that may lie in lists and structs."""
    if pa.types.is_struct(column.type):
        inside = [column.field(number) for number in range(column.type.num_fields)]
    elif pa.types.is_map(column.type):
        inside = [column.keys, column.items]
    elif pa.types.is_nested(column.type):  # a list of any kind
        inside = [column.values]
    else:
        yield column
        return
    for one in inside:
        yield from _values(one)
