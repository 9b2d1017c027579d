"""A small parquet file that stands for a large one is refused before it is unpacked."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from doubling import assert_linear
from small_set import Rows, small_rows

from qreal_tasks.dataset.check import check_dataset
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import DatasetError, locate
from qreal_tasks.files import parquet_limits
from qreal_tasks.files.parquet_limits import _lengths_of, check_parquet


def _repeated(value: str | bytes, times: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), pa.array([value]))


def _in_lists(values: pa.Array, name: str, a_list: int = 1) -> pa.Array:
    ends = pa.array(range(0, len(values) + 1, a_list), pa.int32())
    return pa.ListArray.from_arrays(ends, pa.StructArray.from_arrays([values], [name]))


BOMBS: dict[str, tuple[Callable[[], pa.Array], str]] = {
    "a long text, once": (
        lambda: pa.array(["x" * (2**20 + 1)]),
        "1,048,577 bytes in one text of column held, expected at most 1,048,576",
    ),
    "a long text in a list": (
        lambda: _in_lists(pa.array(["x" * 2**21]), "label"),
        "2,097,152 bytes in one text of column held.list.element.label, expected at most 1,048,576",
    ),
    "one text, often": (
        lambda: _repeated("x" * 2**20, 2_000),
        "in texts and pictures, each copy counted, expected at most 1,073,741,824",
    ),
    "one text in lists, often": (lambda: _in_lists(_repeated("x" * 2**20, 2_000), "label", 20), "each copy counted"),
    "one picture, often": (
        lambda: pa.StructArray.from_arrays([_repeated(b"x" * 10**6, 20_000)], ["bytes"]),
        "it has 20,000,000,000 bytes in texts and pictures, each copy counted",
    ),
    "one text in lists of one length, often": (
        lambda: pa.FixedSizeListArray.from_arrays(_repeated("x" * 2**20, 2_000), 20),
        "each copy counted",
    ),
    "many rows": (lambda: pa.nulls(5_000_001, pa.int8()), "it has 5,000,001 rows, expected at most 5,000,000"),
    "many entries of a list": (
        lambda: pa.ListArray.from_arrays(pa.array([0, 50_000_001], pa.int32()), pa.nulls(50_000_001, pa.bool_())),
        "it has 50,000,001 values in column held.list.element, expected at most 50,000,000",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BOMBS)
def test_what_is_over_a_limit_is_refused_by_its_name(case: str, tmp_path: Path) -> None:
    make, result = BOMBS[case]
    pq.write_table(pa.table({"held": make()}), tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 2**21
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=result):
        check_parquet(tmp_path / "a.parquet")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 2**10, "unpacked before it was refused"


@pytest.mark.slow
def test_texts_that_are_stored_as_what_differs_from_the_one_before_are_counted_whole(tmp_path: Path) -> None:
    held = pa.chunked_array([pa.array(["x" * 2**20] * 100)] * 20)
    encoding = {"held": "DELTA_BYTE_ARRAY"}
    pq.write_table(pa.table({"held": held}), tmp_path / "a.parquet", use_dictionary=False, column_encoding=encoding)
    assert (tmp_path / "a.parquet").stat().st_size < 2**21
    with pytest.raises(ValueError, match="in texts and pictures, each copy counted"):
        check_parquet(tmp_path / "a.parquet")


def test_pictures_of_one_row_group_are_looked_at_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pandas writes a set, whatever its size."""
    pictures = [bytes([n]) * 2**16 for n in range(200)]
    pq.write_table(pa.table({"image": [{"bytes": one, "path": None} for one in pictures]}), tmp_path / "a.parquet")
    monkeypatch.setattr(parquet_limits, "_FIT_IN_MEMORY", 2**20)
    read = []

    def counted(values: Any) -> Any:
        read.append(len(values))
        return _lengths_of(values)

    monkeypatch.setattr(parquet_limits, "_lengths_of", counted)
    check_parquet(tmp_path / "a.parquet")
    assert read == [8] * 25
    monkeypatch.setattr(parquet_limits, "LONGEST_PICTURE", 2**16 - 1)
    with pytest.raises(ValueError, match=r"it has 65,536 bytes in one value of column image\.bytes"):
        check_parquet(tmp_path / "a.parquet")


@pytest.mark.parametrize("column", ["label", "image"])
def test_a_set_with_such_a_file_is_refused_by_every_reader(
    column: str, small_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    folder = small_dataset()
    path = folder / "data" / "objectqa" / "test-00000-of-00001.parquet"
    table = pq.read_table(path)
    large = "x" * 10**6
    if column == "label":
        held = _repeated(large, 3_000)
    else:
        held = pa.StructArray.from_arrays(
            [_repeated(large.encode(), 3_000), pa.nulls(3_000, pa.string())], ["bytes", "path"]
        )
    at = table.column_names.index(column)
    some = pa.concat_tables([table] * 500).combine_chunks()[:3_000]
    pq.write_table(some.set_column(at, column, held), path, compression="zstd")
    source = locate(str(folder))
    for reading in (lambda: load_split(source, "imageqa", "test"), lambda: check_dataset(source)):
        with pytest.raises(
            DatasetError, match=r"test-00000-of-00001.parquet: it has [\d,]+ bytes in texts and pictures"
        ):
            reading()
    assert not list((tmp_path / "cache").rglob("*.arrow"))


@pytest.mark.slow
@pytest.mark.parametrize("picture", [None, {"bytes": None, "path": None}, {"bytes": b"", "path": None}])
def test_a_row_needs_its_picture(picture: object, small_dataset: Callable[..., Path]) -> None:
    def change(rows: Rows) -> None:
        rows["imageqa"]["test"][1]["image"] = picture

    source = locate(str(small_dataset(change)))
    with pytest.raises(DatasetError, match="config imageqa, split test, row 1: image is null or empty"):
        load_split(source, "imageqa", "test")
    assert [(p.row, p.message) for p in check_dataset(source)] == [
        (1, "image is null or empty, expected the encoded picture")
    ]


@pytest.mark.slow
def test_twice_the_rows_take_at_most_two_and_a_half_times_as_long(tmp_path: Path) -> None:
    label = small_rows()["objectqa"]["test"][0]["label"]
    for rows in (200_000, 400_000):
        held = {"text": [f"{label} {n}" for n in range(rows)], "many": [[str(n % 7)] * 3 for n in range(rows)]}
        pq.write_table(pa.table(held), tmp_path / f"{rows}.parquet", row_group_size=10_000)
    assert_linear(check_parquet, tmp_path / "200000.parquet", tmp_path / "400000.parquet")
