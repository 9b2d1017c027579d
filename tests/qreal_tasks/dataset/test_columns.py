"""Columns of another type, as other writers leave them, and the cast that mends them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict, Features
from small_set import small_rows, write_hub_layout

from qreal_tasks.benchmark import ANSWERS, BODY_PARTS, QUESTION_NAMES
from qreal_tasks.dataset.check import check_dataset
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.schema import CONFIGS, FEATURES, SPLITS
from qreal_tasks.dataset.source import DatasetError, locate

pytestmark = pytest.mark.slow

Change = Callable[[str, pa.Table], pa.Table]
"""Of a config and its rows."""


@pytest.fixture
def rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")

    def write(
        change: Change, configs: tuple[str, ...] = CONFIGS, splits: tuple[str, ...] = SPLITS, *, parts: bool = True
    ) -> Path:
        rows = small_rows()
        if parts:
            rows["imageqa"]["train"][0]["entities"][0]["parts"] = dict.fromkeys(BODY_PARTS, "It is wrong.")
        folder = write_hub_layout(tmp_path / "the set", rows)
        for config in configs:
            for split in splits:
                path = folder / "data" / config / f"{split}-00000-of-00001.parquet"
                pq.write_table(change(config, pq.read_table(path)), path)
        return folder

    return write


def _pandas(config: str, table: pa.Table) -> pa.Table:
    return pa.Table.from_pandas(table.to_pandas())


def _large(config: str, table: pa.Table) -> pa.Table:
    """Strings, lists and numbers in their wide types, as Polars and DuckDB write some of them."""

    def wide(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_struct(kind):
            return pa.struct([pa.field(one.name, wide(one.type)) for one in kind])
        if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
            return pa.large_list(wide(kind.value_type))
        others = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
        return (others | {pa.float32(): pa.float64(), pa.int32(): pa.int64()}).get(kind, kind)

    schema = pa.schema([pa.field(one.name, wide(one.type)) for one in table.schema])
    return pa.Table.from_pylist(table.to_pylist(), schema=schema)


def _answered_in_words(config: str, table: pa.Table, words: tuple[str, ...] = ANSWERS) -> pa.Table:
    rows = table.to_pylist()
    for row in rows:
        for entity in row["entities"] if config == "imageqa" else [row]:
            entity.update({name: words[entity[name]] for name in QUESTION_NAMES})
    return pa.Table.from_pylist(rows)


def _without_features(config: str, table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(None)


def _pictures_as_bytes(config: str, table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("image")
    return table.replace_schema_metadata(None).set_column(at, "image", table["image"].combine_chunks().field("bytes"))


CASTABLE: dict[str, tuple[Change, str]] = {
    "pandas": (_pandas, "label, generator, prompt_id, realism_description, plausibility_description are large_string"),
    "wide types": (_large, "bbox is a large list of float64, expected a list of 4 float32"),
    "answers in words": (_answered_in_words, "plausibility_q4 are string, expected ClassLabel(No, Yes)"),
    "features not in the metadata": (_without_features, "image is a struct of bytes, path, expected Image"),
    "pictures as bytes": (_pictures_as_bytes, "image is binary, expected Image"),
}


def _run_script(message: str) -> None:
    lines = [line.removeprefix("    ") for line in message.splitlines() if line.startswith("    ")]
    exec("\n".join(lines), {})


@pytest.mark.parametrize("case", CASTABLE)
def test_the_cast_that_is_told_mends_the_set(case: str, rewritten: Callable[..., Path]) -> None:
    """The script of the message is run as it stands, and leaves a set without a problem."""
    change, message = CASTABLE[case]
    folder = rewritten(change)
    with pytest.raises(DatasetError) as caught:
        check_dataset(locate(str(folder)))
    result = str(caught.value)
    assert message in result
    assert [result.count(f"config {config}: ") for config in CONFIGS] == [1, 1]
    assert result.count("This writes the set with the columns of the schema") == 1
    _run_script(result)
    assert f"QREAL_DATA='{folder}-cast'" in result
    mended = locate(f"{folder}-cast")
    assert check_dataset(mended) == []
    assert load_split(mended, "imageqa", "train").features == FEATURES["imageqa"]


@pytest.mark.parametrize("config", CONFIGS)
def test_one_config_alone_is_named_and_the_script_still_writes_both(
    config: str, rewritten: Callable[..., Path]
) -> None:
    folder = rewritten(_large, configs=(config,))
    with pytest.raises(DatasetError) as caught:
        check_dataset(locate(str(folder)))
    (other,) = {*CONFIGS} - {config}
    assert f"config {config}: " in str(caught.value)
    assert f"config {other}: " not in str(caught.value)
    assert "for config, features in FEATURES.items()" in str(caught.value)
    with pytest.raises(DatasetError, match="This writes the set with the columns of the schema"):
        load_split(locate(str(folder)), config, "test")


def test_a_folder_of_save_to_disk_is_cast_too(tmp_path: Path) -> None:
    for config, splits in small_rows().items():
        plain = {split: Dataset.from_list(rows) for split, rows in splits.items()}
        DatasetDict(plain).save_to_disk(str(tmp_path / "saved" / config))
    with pytest.raises(DatasetError) as caught:
        check_dataset(locate(str(tmp_path / "saved")))
    _run_script(str(caught.value))
    assert check_dataset(locate(str(tmp_path / "saved-cast"))) == []


def test_a_split_in_which_nothing_has_parts_is_cast_too(rewritten: Callable[..., Path]) -> None:
    """Without a schema, a column of nulls has a type of its own, and the library cannot read both splits."""
    folder = rewritten(_pandas, parts=False)
    with pytest.raises(DatasetError, match=r"(?s)cannot be loaded.*hold a column in different types") as caught:
        check_dataset(locate(str(folder)))
    _run_script(str(caught.value))
    assert check_dataset(locate(f"{folder}-cast")) == []


def _without(column: str) -> Change:
    def change(config: str, table: pa.Table) -> pa.Table:
        return table.drop_columns([column]) if column in table.column_names else table

    return change


def _nested(change: Callable[[dict[str, Any]], object]) -> Change:
    def of_table(config: str, table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        for row in rows if config == "imageqa" else []:
            for entity in row["entities"]:
                change(entity)
        return pa.Table.from_pylist(rows) if config == "imageqa" else table

    return of_table


def _files_for_pictures(config: str, table: pa.Table) -> pa.Table:
    return pa.Table.from_pylist([row | {"image": "/somewhere/picture.png"} for row in table.to_pylist()])


NOT_CASTABLE: dict[str, tuple[Change, str]] = {
    "missing column": (_without("label"), "config objectqa: column label missing\nNo cast mends that: label must be"),
    "missing in both": (_without("prompt_id"), "config imageqa: column prompt_id missing\nNo cast mends that"),
    "missing field": (_nested(lambda e: e.pop("realism_flawed")), "entities.realism_flawed must be written"),
    "further field": (_nested(lambda e: e.update(mood="calm")), "entities.mood must be removed"),
    "boxes with named numbers": (
        _nested(lambda e: e.update(bbox=dict(zip("abcd", e["bbox"], strict=True)))),
        "entities.bbox is a struct of a, b, c, d, expected a list of 4 float32",
    ),
    "other words": (lambda c, t: _answered_in_words(c, t, ("no", "yes")), "Invalid string class label"),
    "names of files": (_files_for_pictures, "image holds names of files"),
}


@pytest.mark.parametrize("case", NOT_CASTABLE)
def test_what_no_cast_can_mend_is_said_once(case: str, rewritten: Callable[..., Path]) -> None:
    change, message = NOT_CASTABLE[case]
    with pytest.raises(DatasetError) as caught:
        check_dataset(locate(str(rewritten(change))))
    result = str(caught.value)
    assert message in result
    assert result.count("No cast mends that") == 1
    assert "save_to_disk" not in result
    assert result.count(" missing") <= len(CONFIGS)


def test_a_column_that_only_the_first_split_lacks_is_named(rewritten: Callable[..., Path]) -> None:
    folder = rewritten(_without("label"), splits=("train",))
    with pytest.raises(DatasetError, match=r"do not hold the same columns \(only some hold label\)"):
        check_dataset(locate(str(folder)))


def test_further_columns_and_the_metadata_of_older_writers_are_fine(rewritten: Callable[..., Path]) -> None:
    """A list of structs was a ``Sequence`` before version 4 of the library."""

    def older(config: str, table: pa.Table) -> pa.Table:
        metadata = dict(table.schema.metadata)
        assert b'"_type": "List"' in metadata[b"huggingface"]
        metadata[b"huggingface"] = metadata[b"huggingface"].replace(b'"_type": "List"', b'"_type": "Sequence"')
        table = table.append_column("mood", pa.array(["calm"] * len(table)))
        return table.replace_schema_metadata(metadata)

    folder = rewritten(older, configs=("objectqa",))
    assert check_dataset(locate(str(folder))) == []
    assert (
        Features(load_split(locate(str(folder)), "objectqa", "test").features)["bbox"] == FEATURES["objectqa"]["bbox"]
    )
