"""Shards that cannot be read: a damaged one may go, one that the system refuses must stay."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from qreal_tasks.shards import parquet_files as shards
from qreal_tasks.shards.errors import ShardError

READERS: dict[str, Callable[[Path], object]] = {
    "the table": shards.read_table,
    "a row group": lambda path: shards.read_group(path, 0),
    "the recipe": shards.read_recipe,
    "the footer": shards.count_rows,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.EIO])
def test_nobody_is_told_to_delete_what_the_system_refuses(
    reader: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "000000.parquet"
    shards.write_table(path, pa.table({"a": [1]}), "recipe")

    def refuse(refused: Path) -> Path:
        raise OSError(number, os.strerror(number), str(refused))

    monkeypatch.setattr(shards, "require_file", refuse)
    with pytest.raises(ShardError, match=rf"000000\.parquet: {os.strerror(number)}; ") as result:
        READERS[reader](path)
    assert "delete it" not in str(result.value)


@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_one_is_made_again(reader: str, tmp_path: Path) -> None:
    path = tmp_path / "000000.parquet"
    path.write_bytes(b"PAR1 damaged")
    with pytest.raises(ShardError, match=r"000000\.parquet cannot be read \(.*\); delete it, and the next run"):
        READERS[reader](path)


def test_one_that_is_not_there_has_no_recipe(tmp_path: Path) -> None:
    assert shards.read_recipe(tmp_path / "000000.parquet") is None
    with pytest.raises(ShardError, match=r"cannot be read \(No such file or directory\)"):
        shards.read_table(tmp_path / "000000.parquet")
