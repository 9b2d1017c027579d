"""Where a dataset is, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, load_from_disk
from small_set import Rows, small_rows, write_hub_layout

from qreal_tasks.dataset import FEATURES, DatasetError, Kind, load, locate
from qreal_tasks.dataset_check import check, info


def test_unset_is_mini(monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate().is_mini
    monkeypatch.setenv("QREAL_DATA", "  ")
    assert locate().is_mini


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
    assert (source.kind, source.path, source.revision, source.name) == (Kind.HUB, path, revision, value)
    assert source.load_arguments("imageqa")["kwargs"] == ({"revision": revision} if revision else {})


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
    assert source.kind is Kind.FOLDER
    assert load(source, "objectqa", "test").features == FEATURES["objectqa"]
    assert len(load(source, "imageqa", "train")) == 2
    assert check(source) == []


def test_folders_of_one_name_and_later_states_are_not_mixed_up(
    tmp_path: Path, small_dataset: Callable[..., Path]
) -> None:
    first = small_dataset()
    rows = small_rows()
    rows["imageqa"]["test"].pop()
    second = write_hub_layout(tmp_path / "elsewhere" / first.name, rows)
    assert [len(load(locate(str(folder)), "imageqa", "test")) for folder in (first, second)] == [3, 2]
    rows["imageqa"]["test"].pop()
    write_hub_layout(second, rows)
    assert len(load(locate(str(second)), "imageqa", "test")) == 1


def test_save_to_disk_folder_loads(tmp_path: Path) -> None:
    for config, splits in small_rows().items():
        sets = {split: Dataset.from_list(rows, features=FEATURES[config]) for split, rows in splits.items()}
        DatasetDict(sets).save_to_disk(str(tmp_path / config))
    source = locate(str(tmp_path))
    assert source.kind is Kind.SAVED
    assert check(source) == []
    arguments = source.load_arguments("objectqa")
    assert arguments["name"] is None
    assert arguments["kwargs"] == {"load_from_disk": True}
    assert set(load_from_disk(arguments["path"])) == {"train", "test"}


def test_info_counts_as_the_paper_does(small_dataset: Callable[..., Path]) -> None:
    found = info(locate(str(small_dataset())), "test")
    assert (found.images, found.entities, found.portraits, found.with_parts) == (3, 6, 1, 1)
    assert found.yes_share["plausibility_q1"] == pytest.approx(1 / 2)
    assert found.yes_share["plausibility_q4"] == pytest.approx(2 / 6)
    assert found.generators == {"gen0": 2, "gen1": 1}


def _entity(rows: Rows, split: str = "test", number: int = 0) -> dict[str, Any]:
    return rows["objectqa"][split][number]


def _listed(rows: Rows, split: str = "test", image: int = 0, index: int = 0) -> dict[str, Any]:
    entity: dict[str, Any] = rows["imageqa"][split][image]["entities"][index]
    return entity


def _both(rows: Rows, **values: Any) -> None:
    """Change the first test entity in both configs alike."""
    _entity(rows).update(values)
    _listed(rows).update(values)


def _repeat_image(rows: Rows) -> None:
    rows["imageqa"]["test"].append(dict(rows["imageqa"]["test"][0]))


def _move_to_train(rows: Rows) -> None:
    rows["objectqa"]["train"].append(rows["objectqa"]["test"].pop(0))


CHANGES: dict[str, tuple[Callable[[Rows], object], str, str]] = {
    "reversed box": (lambda r: _both(r, bbox=[40.0, 10.0, 10.0, 50.0]), "box", "no area"),
    "box without area": (lambda r: _both(r, bbox=[10.0, 10.0, 10.0, 50.0]), "box", "no area"),
    "box outside the image": (
        lambda r: _both(r, bbox=[10.0, 10.0, 400.0, 50.0]),
        "box",
        "outside its image of 100 x 80",
    ),
    "not a number in a box": (
        lambda r: _both(r, bbox=[float("nan"), 10.0, 40.0, 50.0]),
        "box",
        "four finite numbers",
    ),
    "no answer": (lambda r: _both(r, realism_q1=None), "null", "realism_q1 is null"),
    "no generator": (lambda r: r["imageqa"]["test"][0].update(generator=None), "null", "generator is null"),
    "no flaw": (lambda r: _listed(r).update(realism_flawed=None), "null", "realism_flawed is null"),
    "no id": (lambda r: _entity(r).update(entity_id=None), "null", "entity_id is null"),
    "no width": (lambda r: r["imageqa"]["test"][0].update(width=None), "null", "width is null"),
    "no entities": (lambda r: r["imageqa"]["test"][0].update(entities=None), "null", "entities is null"),
    "null entity": (lambda r: r["imageqa"]["test"][0]["entities"].append(None), "null", "null"),
    "quality above 1": (lambda r: _both(r, quality_score=7.0), "quality_score", "expected 0 to 1"),
    "empty label": (lambda r: _both(r, label=" "), "label", "label is empty"),
    "undecodable image": (
        lambda r: _entity(r).update(image={"bytes": b"no picture", "path": None}),
        "image",
        "cannot be decoded",
    ),
    "no image": (lambda r: _entity(r).update(image=None), "image", "image is null"),
    "wrong size": (
        lambda r: r["imageqa"]["test"][0].update(width=99),
        "size",
        "100 x 80 px but width and height say 99",
    ),
    "id twice": (lambda r: r["objectqa"]["test"].append(dict(_entity(r))), "duplicate id", "appears twice"),
    "image id twice": (_repeat_image, "duplicate id", "appears twice"),
    "entity listed under another image": (
        lambda r: _listed(r).update(entity_id="img4#9"),
        "entity of another image",
        "listed under image img2",
    ),
    "entity without image": (
        lambda r: _entity(r).update(image_id="img9"),
        "unknown image",
        "img9 is not in imageqa",
    ),
    "entity that imageqa lacks": (
        lambda r: _entity(r).update(entity_id="img2#7"),
        "unknown entity",
        "not among",
    ),
    "crop and image in different splits": (_move_to_train, "split", "is in train but its image is in test"),
    "answers that disagree": (
        lambda r: _entity(r).update(plausibility_q3=1),
        "disagreement",
        "plausibility_q3 is 1 here",
    ),
    "prompt in both splits": (
        lambda r: r["imageqa"]["train"][0].update(prompt_id="prompt-test-2"),
        "prompt in both splits",
        "split by prompt",
    ),
    "flaw without description": (
        lambda r: _listed(r, index=1).update(plausibility_description=""),
        "description",
        "plausibility_description is empty",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_every_kind_of_damage_is_named(case: str, small_dataset: Callable[..., Path]) -> None:
    change, kind, message = CHANGES[case]
    problems = check(locate(str(small_dataset(change))))
    fitting = [p for p in problems if p.kind == kind and message in p.message]
    assert fitting, f"expected a {kind} problem with {message!r}, found {[str(p) for p in problems]}"
    assert fitting[0].item
    assert fitting[0].split in str(fitting[0])


def test_info_names_a_null_instead_of_failing_on_it(small_dataset: Callable[..., Path]) -> None:
    folder = small_dataset(lambda rows: rows["imageqa"]["test"][0].update(generator=None))
    with pytest.raises(DatasetError, match="imageqa/test row 0, img2: generator is null"):
        info(locate(str(folder)), "test")


def test_a_folder_called_mini_is_not_taken_for_the_embedded_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mini").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=r"Write \./mini"):
        locate("mini")


def test_a_folder_name_that_reads_as_a_pattern_is_refused(tmp_path: Path) -> None:
    folder = write_hub_layout(tmp_path / "a[1]", small_rows())
    with pytest.raises(DatasetError, match=r"takes .* as a pattern; rename it"):
        locate(str(folder))


def test_missing_column_is_named(tmp_path: Path) -> None:
    rows = small_rows()
    folder = write_hub_layout(tmp_path / "set", rows)
    path = folder / "data" / "objectqa" / "test-00000-of-00001.parquet"
    for split in ("train", "test"):
        path = folder / "data" / "objectqa" / f"{split}-00000-of-00001.parquet"
        Dataset.from_list(rows["objectqa"][split], features=FEATURES["objectqa"]).remove_columns("label").to_parquet(
            str(path)
        )
    with pytest.raises(DatasetError, match="column label missing"):
        load(locate(str(folder)), "objectqa", "test")


def test_damaged_parquet_is_named(small_dataset: Callable[..., Path]) -> None:
    folder = small_dataset()
    (folder / "data" / "imageqa" / "test-00000-of-00001.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DatasetError, match="config imageqa: cannot be loaded"):
        load(locate(str(folder)), "imageqa", "test")
