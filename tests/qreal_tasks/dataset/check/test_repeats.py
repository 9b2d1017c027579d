"""One picture in train and test, or under two ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from boxed_rows import boxed_rows, decoded, encode
from small_set import Rows, write_hub_layout

from qreal_tasks.dataset.check import DatasetProblem, check_dataset
from qreal_tasks.dataset.source import locate


@pytest.fixture
def problems_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[DatasetProblem]]:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return lambda rows, *splits: check_dataset(
        locate(str(write_hub_layout(tmp_path / "set", rows))), splits or ("train", "test")
    )


def _copy(rows: Rows, to: tuple[str, int], of: tuple[str, int]) -> None:
    """Picture, sizes and boxes of an image with its crops; ids and prompt stay apart."""
    (to_split, to_row), (of_split, of_row) = to, of
    pairs = [(rows["imageqa"][to_split][to_row], rows["imageqa"][of_split][of_row])]
    pairs += [(rows["objectqa"][to_split][2 * to_row + n], rows["objectqa"][of_split][2 * of_row + n]) for n in (0, 1)]
    for row, other in pairs:
        row.update({name: other[name] for name in ("image", "width", "height")})
    for index, (row, other) in enumerate(pairs[1:]):
        row["bbox"] = pairs[0][0]["entities"][index]["bbox"] = other["bbox"]


def _same_bytes(rows: Rows) -> None:
    _copy(rows, ("test", 2), ("train", 3))


def _written_anew(rows: Rows) -> None:
    _copy(rows, ("test", 2), ("train", 3))
    image = rows["imageqa"]["test"][2]
    encode(image, decoded(image), "BMP")


def _as_another_mode(rows: Rows) -> None:
    _copy(rows, ("test", 2), ("train", 3))
    image = rows["imageqa"]["test"][2]
    encode(image, decoded(image).convert("RGBA"))


@pytest.mark.slow
@pytest.mark.parametrize("change", [_same_bytes, _written_anew, _as_another_mode])
def test_a_picture_in_both_splits_names_both_rows(
    change: Callable[[Rows], None], problems_of: Callable[..., list[DatasetProblem]]
) -> None:
    """Its crops are not named again."""
    rows = boxed_rows()
    change(rows)
    (problem,) = problems_of(rows)
    assert str(problem).startswith("imageqa/test row 2, img5: shows the same pixels as imageqa/train row 3, img6; ")
    assert problem.kind == "picture in both splits"
    assert problems_of(rows, "test") == []


@pytest.mark.slow
def test_a_picture_under_two_ids_in_one_split(problems_of: Callable[..., list[DatasetProblem]]) -> None:
    rows = boxed_rows()
    _copy(rows, ("train", 5), ("train", 1))
    _copy(rows, ("train", 7), ("train", 1))
    found = problems_of(rows)
    assert [(p.row, p.kind) for p in found] == [(5, "picture twice"), (7, "picture twice")]
    assert all("imageqa/train row 1, img2; expected one row a picture" in p.message for p in found)


@pytest.mark.slow
def test_a_crop_in_both_splits(problems_of: Callable[..., list[DatasetProblem]]) -> None:
    rows = boxed_rows()
    for name in ("image", "width", "height"):
        rows["objectqa"]["test"][4][name] = rows["objectqa"]["train"][9][name]
    found = problems_of(rows)
    assert {p.kind for p in found} == {"picture in both splits", "box"}
    assert all((p.config, p.split, p.row) == ("objectqa", "test", 4) for p in found)
    assert any("the same pixels as objectqa/train row 9, img8#1" in p.message for p in found)


def _same_box_twice(rows: Rows) -> None:
    """Two entities of an image in one place: a man, a person."""
    first, second = rows["objectqa"]["test"][:2]
    second.update({name: first[name] for name in ("image", "width", "height", "bbox")})
    rows["imageqa"]["test"][0]["entities"][1]["bbox"] = first["bbox"]


def _black_crops(rows: Rows) -> None:
    """The same patch of night in two images."""
    for split in ("train", "test"):
        image, (row, other) = rows["imageqa"][split][0], rows["objectqa"][split][:2]
        picture = decoded(image)
        left, top = (int(v) for v in row["bbox"][:2])
        night = (left, top, left + 10, top + 10)
        picture.paste((0, 0, 0), night)
        row["bbox"] = image["entities"][0]["bbox"] = [float(v) for v in night]
        row["width"], row["height"] = 10, 10
        encode(image, picture)
        for shown in (row, other):
            x1, y1, x2, y2 = map(int, shown["bbox"])
            encode(shown, picture.crop((x1, y1, x2, y2)))


def _one_pixel_apart(rows: Rows) -> None:
    _copy(rows, ("test", 2), ("train", 3))
    image: dict[str, Any] = rows["imageqa"]["test"][2]
    picture = decoded(image)
    picture.putpixel((0, 0), (1, 2, 3))
    encode(image, picture)


@pytest.mark.slow
@pytest.mark.parametrize("change", [_same_box_twice, _black_crops])
def test_what_is_no_repetition(
    change: Callable[[Rows], None], problems_of: Callable[..., list[DatasetProblem]]
) -> None:
    rows = boxed_rows()
    change(rows)
    assert [str(p) for p in problems_of(rows)] == []


@pytest.mark.slow
def test_crops_give_away_a_picture_that_differs_in_a_pixel(problems_of: Callable[..., list[DatasetProblem]]) -> None:
    rows = boxed_rows()
    _one_pixel_apart(rows)
    assert [(p.config, p.row, p.kind) for p in problems_of(rows)] == [
        ("objectqa", 4, "picture in both splits"),
        ("objectqa", 5, "picture in both splits"),
    ]
