"""A set of the hub is the commit that its revision names, whatever was loaded under its name before."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_set import Rows, small_rows, write_hub_layout

from qreal_tasks.dataset.check import check_dataset, count_split
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import DatasetError, Source, SourceKind, locate
from qreal_tasks.leaderboard.submission.references import load_references
from qreal_tasks.leaf_tasks import Half
from training.run.folder import describe_data

Commit = Callable[..., str]
"""Write a commit and let a branch name it; returns the commit's id."""


def _images(count: int) -> Callable[[Rows], None]:
    """A change that leaves so many images in the test split."""

    def change(rows: Rows) -> None:
        rows["imageqa"]["test"] = rows["imageqa"]["test"][:count]
        kept = {row["image_id"] for row in rows["imageqa"]["test"]}
        rows["objectqa"]["test"] = [row for row in rows["objectqa"]["test"] if row["image_id"] in kept]

    return change


@pytest.fixture
def commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commit:
    """The hub's cache on this machine with the set ``org/name``: snapshots of links to blobs, as the hub's client makes
    them. No socket may be used."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "rows")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection was made"))
    cache = tmp_path / "hub" / "datasets--org--name"
    (cache / "blobs").mkdir(parents=True)
    (cache / "refs").mkdir()

    def write(number: int, change: Callable[[Rows], None], branch: str = "main") -> str:
        rows = small_rows()
        change(rows)
        written = write_hub_layout(tmp_path / f"written-{number}", rows)
        made = f"{number:040x}"
        for path in (path for path in written.rglob("*") if path.is_file()):
            blob = cache / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
            shutil.copyfile(path, blob)
            link = cache / "snapshots" / made / path.relative_to(written)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)
        (cache / "refs" / branch).write_text(made, encoding="ascii")
        return made

    return write


def _test_images(source: Source) -> int:
    return len(load_split(source, "imageqa", "test"))


def test_a_set_of_the_hub_is_loaded_checked_and_described_without_a_network(commit: Commit) -> None:
    made = commit(1, _images(3))
    source = locate("org/name")
    assert (source.kind, source.commit, source.is_drawn) == (SourceKind.HUB, made, False)
    assert check_dataset(source) == []
    assert count_split(source, "test").images == 3
    assert load_references("org/name").commit == made


def test_each_revision_is_its_own_commit(commit: Commit) -> None:
    """``datasets`` itself would answer the second with the rows of the first."""
    commit(1, _images(3))
    second = commit(2, _images(2), "v2")
    assert [_test_images(locate(name)) for name in ("org/name", "org/name@v2", f"org/name@{second}")] == [3, 2, 2]


@pytest.mark.slow
def test_a_branch_that_moves_is_another_set_from_the_next_source_on(commit: Commit) -> None:
    first = commit(1, _images(3))
    source = locate("org/name@main")
    assert source.commit == first
    fingerprints = [load_references("org/name@main").fingerprint]
    second = commit(2, _images(1))
    assert (source.commit, _test_images(source)) == (first, 3)  # in the middle of a run
    moved = locate("org/name@main")
    assert (moved.commit, _test_images(moved), count_split(moved, "test").images) == (second, 1, 1)
    fingerprints.append(load_references("org/name@main").fingerprint)
    assert fingerprints[0](Half.OBJECTQA) != fingerprints[1](Half.OBJECTQA)
    facts = [describe_data(one, {"objectqa": load_split(one, "objectqa", "train")}) for one in (source, moved)]
    assert [one["commit"] for one in facts] == [first, second]


def test_a_revision_that_is_not_there_says_how_to_get_it(commit: Commit) -> None:
    commit(1, _images(3))
    with pytest.raises(DatasetError, match=r"HF_HUB_OFFLINE is set.*hf download --repo-type dataset org/name --revi"):
        load_split(locate("org/name@v9"), "objectqa", "test")


def test_a_part_of_a_set_is_not_taken_for_the_whole(commit: Commit, tmp_path: Path) -> None:
    made = commit(1, _images(3))
    data = tmp_path / "hub" / "datasets--org--name" / "snapshots" / made / "data" / "imageqa"
    (data / "test-00000-of-00001.parquet").rename(data / "test-00000-of-00002.parquet")
    with pytest.raises(DatasetError, match=r"data/imageqa/test-00001-of-00002.parquet is missing"):
        load_split(locate("org/name"), "imageqa", "test")


@pytest.mark.parametrize("named", ["http://127.0.0.1:9/a.parquet", "../../../other/*.parquet", "/etc/*.parquet"])
def test_a_card_of_the_hub_names_nothing_outside_of_its_set(named: str, commit: Commit, tmp_path: Path) -> None:
    made = commit(1, _images(3))
    card = tmp_path / "hub" / "datasets--org--name" / "snapshots" / made / "README.md"
    card.unlink()
    card.write_text(f"---\nconfigs: [{{config_name: imageqa, data_files: '{named}'}}]\n---\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="expected a path inside the folder"):
        load_split(locate("org/name"), "imageqa", "test")
