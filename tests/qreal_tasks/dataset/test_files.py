"""What a set is read from: files of its own folder, whatever its cards and lists say, and what they are when read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict
from small_set import Rows, small_rows

from qreal_tasks.dataset.check import check_dataset, count_split
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.schema import FEATURES
from qreal_tasks.dataset.source import DatasetError, locate
from qreal_tasks.leaderboard.submission.references import load_references
from qreal_tasks.leaf_tasks import Half
from training.run.folder import describe_data


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder as ``save_to_disk`` writes it."""
    for config, splits in small_rows().items():
        sets = {split: Dataset.from_list(rows, features=FEATURES[config]) for split, rows in splits.items()}
        DatasetDict(sets).save_to_disk(str(tmp_path / "saved" / config))
    return tmp_path / "saved"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../../../other/data.arrow", "/etc/data.arrow", "..", "a\\b", None, 5])
def test_a_saved_folder_that_names_files_outside_of_it_is_refused(name: object, saved: Path) -> None:
    state = saved / "imageqa" / "test" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"_data_files": [{"filename": name}]}))
    with pytest.raises(DatasetError, match="expected the name of a file in its own folder"):
        locate(str(saved))


def test_a_saved_folder_with_a_split_outside_of_it_is_refused(saved: Path) -> None:
    (saved / "objectqa" / "dataset_dict.json").write_text('{"splits": ["test", "../../other"]}')
    with pytest.raises(DatasetError, match=r"names its data as '../../other', expected the name of a file in its own"):
        locate(str(saved))


@pytest.mark.slow
@pytest.mark.parametrize("content", ["[]", "{", "[" * 10**5, " " * 2**23])
def test_a_saved_folder_with_a_damaged_list_is_refused(content: str, saved: Path) -> None:
    (saved / "objectqa" / "test" / "state.json").write_text(content)
    with pytest.raises(DatasetError, match=r"state.json cannot be read: .*; save the set anew"):
        locate(str(saved))


def test_a_saved_folder_that_changes_in_place_is_read_anew(saved: Path, tmp_path: Path) -> None:
    source = locate(str(saved))
    before = describe_data(source, {"imageqa": load_split(source, "imageqa", "test")})["sha256"]
    rows = Dataset.from_list(small_rows()["imageqa"]["test"][:1], features=FEATURES["imageqa"])
    rows.save_to_disk(str(tmp_path / "one"))
    for path in (tmp_path / "one").iterdir():
        path.replace(saved / "imageqa" / "test" / path.name)
    assert len(load_split(source, "imageqa", "test")) == count_split(source, "test").images == 1
    assert describe_data(source, {"imageqa": load_split(source, "imageqa", "test")})["sha256"] != before


@pytest.mark.slow
def test_equal_contents_are_one_set_wherever_they_lie(
    saved: Path, tmp_path: Path, small_dataset: Callable[..., Path]
) -> None:
    """A copy, one with links to files elsewhere, one with hard links, and one in the other format."""
    first = small_dataset()
    copy, linked, hard = (tmp_path / name / "set" for name in ("copy", "linked", "hard"))
    shutil.copytree(first, copy)
    shutil.copytree(first, linked, copy_function=lambda a, b: Path(b).symlink_to(a))
    shutil.copytree(first, hard, copy_function=os.link)
    sources = [locate(str(folder)) for folder in (first, copy, linked, hard)]
    assert (
        len({describe_data(one, {"objectqa": load_split(one, "objectqa", "test")})["sha256"] for one in sources}) == 1
    )
    references = [load_references(str(folder)) for folder in (first, copy, linked, hard, saved)]
    assert len({tuple(one.fingerprint(half) for half in Half) for one in references}) == 1


def test_other_files_than_parquet_are_no_data(small_dataset: Callable[..., Path]) -> None:
    """``datasets`` would unpack an archive without a limit, and read text of any kind as rows."""
    folder = small_dataset()
    (folder / "data" / "imageqa" / "more.zip").write_bytes(b"PK")
    (folder / "README.md").write_text("---\nconfigs: [{config_name: imageqa, data_files: data/imageqa/*}]\n---\n")
    with pytest.raises(DatasetError, match=r"names data/imageqa/more.zip as data, expected .parquet files only"):
        locate(str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("beside", [False, True], ids=["README.md", ".huggingface.yaml"])
@pytest.mark.parametrize(
    ("keys", "result"),
    [
        (
            "a: &a [x]\n"
            + "".join(f"b{n}: &b{n} [{', '.join(['*a' if n == 0 else f'*b{n - 1}'] * 9)}]\n" for n in range(9)),
            "written out",
        ),
        ("configs: " + "[" * 3000, "too deep"),
        ("configs: &c [{config_name: imageqa, data_files: *c}]", "holds itself"),
        ("a: " + "x" * 300_000, "more than 262,144 bytes"),
    ],
    ids=["aliases", "deep", "in itself", "long"],
)
def test_a_card_over_a_limit_is_refused(
    keys: str, result: str, beside: bool, small_dataset: Callable[..., Path]
) -> None:
    folder = small_dataset()
    if beside:
        (folder / ".huggingface.yaml").write_text(keys, encoding="utf-8")
    else:
        (folder / "README.md").write_text(f"---\n{keys}\n---\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=result):
        locate(str(folder))


def test_drawn_rows_behind_a_linked_folder_are_seen(tmp_path: Path, small_dataset: Callable[..., Path]) -> None:
    def change(rows: Rows) -> None:
        for row in rows["imageqa"]["test"]:
            row["image_id"] = f"mini-{row['image_id']:0>12}".replace("img", "abc")

    folder = small_dataset(change)
    (folder / "data").rename(tmp_path / "elsewhere")
    (folder / "data").symlink_to(tmp_path / "elsewhere")
    assert locate(str(folder)).is_drawn


@pytest.mark.slow
def test_no_reader_of_a_set_opens_a_connection(
    saved: Path, small_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kind of set on this machine; ``test_dataset_hub`` has the sets of the hub's cache."""
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(f"socket.socket.{name}", lambda *_: pytest.fail("a connection was made"))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("an address was asked for"))
    folder = small_dataset()
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for value in (str(folder), str(saved), "mini"):
        source = locate(value)
        assert source.is_drawn is (value == "mini")
        assert check_dataset(source) == []
        assert count_split(source, "test").images
        assert load_references(value).commit is None
