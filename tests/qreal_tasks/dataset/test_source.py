"""Where a dataset is, and which files it is read from."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict, load_from_disk
from small_set import small_rows, write_hub_layout

from qreal_tasks.console.command_line import as_folder
from qreal_tasks.dataset.check import check_dataset
from qreal_tasks.dataset.files import data_files, state_of
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.schema import FEATURES
from qreal_tasks.dataset.source import DatasetError, SourceKind, locate


def test_unset_is_mini(monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate().is_drawn
    monkeypatch.setenv("QREAL_DATA", "  ")
    assert locate().is_drawn


@pytest.mark.parametrize(
    ("value", "path", "revision"),
    [
        ("org/name", "org/name", None),
        ("org/name@v1.0", "org/name", "v1.0"),
        ("a-b/c.d@refs/pr/3", "a-b/c.d", "refs/pr/3"),
    ],
)
def test_hub_ids(value: str, path: str, revision: str | None) -> None:
    source = locate(value)
    assert (source.kind, source.path, source.revision, source.name) == (SourceKind.HUB, path, revision, value)


@pytest.mark.parametrize("value", ["/no/such/folder", "./nothing", "word", "a/b/c"])
def test_what_is_neither_folder_nor_hub_id_is_refused(value: str) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        locate(value)


def test_folder_that_hides_a_hub_set_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=r"Write \./org/name"):
        locate("org/name")


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no dataset in it"):
        locate(str(tmp_path))


def test_hub_layout_loads(small_dataset: Callable[..., Path]) -> None:
    source = locate(str(small_dataset()))
    assert source.kind is SourceKind.FOLDER
    assert load_split(source, "objectqa", "test").features == FEATURES["objectqa"]
    assert len(load_split(source, "imageqa", "train")) == 2
    assert check_dataset(source) == []


def test_folders_of_one_name_and_later_states_are_not_mixed_up(
    tmp_path: Path, small_dataset: Callable[..., Path]
) -> None:
    first = small_dataset()
    rows = small_rows()
    rows["imageqa"]["test"].pop()
    second = write_hub_layout(tmp_path / "elsewhere" / first.name, rows)
    assert [len(load_split(locate(str(folder)), "imageqa", "test")) for folder in (first, second)] == [3, 2]
    rows["imageqa"]["test"].pop()
    write_hub_layout(second, rows)
    assert len(load_split(locate(str(second)), "imageqa", "test")) == 1


def _through_a_link(folder: Path, elsewhere: Path) -> Path:
    """One data file is a link, as in the cache of the hub."""
    path = folder / "data" / "imageqa" / "test-00000-of-00001.parquet"
    path.rename(elsewhere / "blob")
    path.symlink_to(elsewhere / "blob")
    return elsewhere / "blob"


def _through_two_links(folder: Path, elsewhere: Path) -> Path:
    blob = _through_a_link(folder, elsewhere)
    blob.rename(elsewhere / "last")
    blob.symlink_to("last")
    return elsewhere / "last"


def _through_a_linked_folder(folder: Path, elsewhere: Path) -> Path:
    (folder / "data").rename(elsewhere / "data")
    (folder / "data").symlink_to(elsewhere / "data")
    return elsewhere / "data" / "imageqa" / "test-00000-of-00001.parquet"


def _rewrite(target: Path, content: bytes) -> None:
    target.write_bytes(content)


def _replace_keeping_times(target: Path, content: bytes) -> None:
    """As a copy that keeps size and time does it."""
    status = target.stat()
    target.with_name("new").write_bytes(content.ljust(status.st_size, b"\0")[: status.st_size])
    target.with_name("new").replace(target)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.slow
@pytest.mark.parametrize("change", [_rewrite, _replace_keeping_times])
@pytest.mark.parametrize("link", [_through_a_link, _through_two_links, _through_a_linked_folder])
def test_what_a_link_leads_to_is_read_anew_when_it_changes(
    link: Callable[[Path, Path], Path],
    change: Callable[[Path, bytes], None],
    tmp_path: Path,
    small_dataset: Callable[..., Path],
) -> None:
    folder = small_dataset()
    (tmp_path / "elsewhere").mkdir()
    target = link(folder, tmp_path / "elsewhere")
    assert len(load_split(locate(str(folder)), "imageqa", "test")) == 3
    before = state_of(folder)
    if change is _rewrite:
        one = small_rows()
        one["imageqa"]["test"] = one["imageqa"]["test"][:1]
        written = write_hub_layout(tmp_path / "other", one) / "data" / "imageqa" / "test-00000-of-00001.parquet"
        change(target, written.read_bytes())
        assert len(load_split(locate(str(folder)), "imageqa", "test")) == 1
    else:
        change(target, b"of the same size")
        assert state_of(folder) != before
        with pytest.raises(DatasetError, match="cannot be loaded"):
            load_split(locate(str(folder)), "imageqa", "test")


def test_a_link_that_is_changed_to_lead_elsewhere_is_another_set(
    tmp_path: Path, small_dataset: Callable[..., Path]
) -> None:
    folder = small_dataset()
    blob = _through_a_link(folder, tmp_path)
    before = state_of(folder)
    (tmp_path / "copy").write_bytes(blob.read_bytes())
    path = folder / "data" / "imageqa" / "test-00000-of-00001.parquet"
    path.unlink()
    path.symlink_to(tmp_path / "copy")
    assert state_of(folder) != before


def test_data_files_are_those_that_the_card_names(small_dataset: Callable[..., Path]) -> None:
    folder = small_dataset()
    (folder / "data" / "imageqa" / "old.parquet").write_bytes(b"left over")
    names = [str(path.relative_to(folder)) for path in data_files(folder)]
    assert names == [
        f"data/{config}/{split}-00000-of-00001.parquet"
        for config in ("imageqa", "objectqa")
        for split in ("test", "train")
    ]
    before = state_of(folder)
    (folder / ".huggingface.yaml").write_text("pretty_name: the same set\n", encoding="utf-8")
    assert state_of(folder) != before
    assert [str(path.relative_to(folder)) for path in data_files(folder)] == names


CARDS = {
    "address": "path: http://127.0.0.1:9/test.parquet",
    "address of the hub": "path: hf://datasets/org/name/test.parquet",
    "file above": "path: ../../other/*.parquet",
    "folder above in the middle": "path: data/../../other/*.parquet",
    "absolute path": "path: /etc/*.parquet",
    "file in an archive": "path: zip://test.parquet::archive.zip",
    "one of a list": "path: [data/imageqa/test-*.parquet, 'https://example.org/test.parquet']",
}


@pytest.mark.parametrize("beside", [False, True], ids=["README.md", ".huggingface.yaml"])
@pytest.mark.parametrize("case", CARDS)
def test_a_card_that_names_files_outside_of_its_folder_is_refused(
    case: str, beside: bool, small_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection was made"))
    folder = small_dataset()
    configs = f"configs:\n- config_name: imageqa\n  data_files:\n  - split: test\n    {CARDS[case]}\n"
    if beside:
        (folder / ".huggingface.yaml").write_text(configs, encoding="utf-8")
    else:
        (folder / "README.md").write_text(f"---\n{configs}---\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"names its data as .*, expected a path inside the folder"):
        locate(str(folder))


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ("configs: [{config_name: imageqa, data_dir: ../other}]", "names its data as '../other'"),
        ("configs: [{config_name: imageqa, data_files: 5}]", "cannot be read"),
        ("configs: imageqa", "cannot be read"),
        ("configs: [: {", "cannot be read"),
        ("pretty_name: a set", "no dataset in it"),
        ("configs: [{config_name: imageqa, data_files: none/*.parquet}]", "no dataset in it"),
    ],
)
def test_a_card_that_names_nothing_that_is_there_is_refused(
    configs: str, message: str, small_dataset: Callable[..., Path]
) -> None:
    folder = small_dataset()
    (folder / "README.md").write_text(f"---\n{configs}\n---\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=re.escape(message)):
        locate(str(folder))


def test_save_to_disk_folder_loads(tmp_path: Path) -> None:
    for config, splits in small_rows().items():
        sets = {split: Dataset.from_list(rows, features=FEATURES[config]) for split, rows in splits.items()}
        DatasetDict(sets).save_to_disk(str(tmp_path / config))
    source = locate(str(tmp_path))
    assert source.kind is SourceKind.SAVED
    assert check_dataset(source) == []
    arguments = source.load_arguments("objectqa")
    assert arguments["name"] is None
    assert arguments["kwargs"] == {"load_from_disk": True}
    assert set(load_from_disk(arguments["path"])) == {"train", "test"}


def test_mini_is_the_embedded_set_and_a_folder_of_that_name_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_hub_layout(tmp_path / "mini", small_rows())
    monkeypatch.chdir(tmp_path)
    assert locate("mini").kind is locate(as_folder("mini")).kind is SourceKind.MINI
    for written in ("./mini", as_folder("./mini")):
        assert locate(written).path == str(tmp_path / "mini")


def test_a_folder_name_that_reads_as_a_pattern_is_refused(tmp_path: Path) -> None:
    folder = write_hub_layout(tmp_path / "a[1]", small_rows())
    with pytest.raises(DatasetError, match=r"takes .* as a pattern; rename it"):
        locate(str(folder))


def test_damaged_parquet_is_named(small_dataset: Callable[..., Path]) -> None:
    folder = small_dataset()
    (folder / "data" / "imageqa" / "test-00000-of-00001.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DatasetError, match="config imageqa: cannot be loaded"):
        load_split(locate(str(folder)), "imageqa", "test")


def test_asking_for_what_is_not_there_leaves_the_cache_alone(
    small_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    """Making it anew takes minutes for a set of many gigabytes, and another program may be reading it."""
    source = locate(str(small_dataset()))
    load_split(source, "objectqa", "test")
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*.arrow")}
    assert before
    for config, split in (("objectqa", "validation"), ("others", "test")):
        with pytest.raises(DatasetError, match="cannot be loaded"):
            load_split(source, config, split)
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*.arrow")} == before


@pytest.mark.slow
@pytest.mark.parametrize("share", [0, 0.5])
@pytest.mark.parametrize("cut", ["dataset_info.json", "*test.arrow"])
def test_a_cache_that_a_full_disk_cut_off_is_made_anew(
    cut: str, share: float, small_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    source = locate(str(small_dataset()))
    rows = list(load_split(source, "objectqa", "test").remove_columns("image"))
    (path,) = (one for one in (tmp_path / "cache").rglob(cut) if "objectqa" in str(one))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert list(load_split(source, "objectqa", "test").remove_columns("image")) == rows
