"""Boxes in other units and orders, and crops that are not their boxes'."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from boxed_rows import Box, boxed_rows, crops, decoded, encode, images, with_boxes
from PIL import Image
from small_set import Rows, write_hub_layout

from qreal_tasks.dataset.check import DatasetProblem, check_dataset
from qreal_tasks.dataset.check.boxes import fault_of
from qreal_tasks.dataset.check.pictures import DecodedPicture
from qreal_tasks.dataset.source import locate

pytestmark = pytest.mark.slow


@pytest.fixture
def problems_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Rows], list[DatasetProblem]]:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return lambda rows: check_dataset(locate(str(write_hub_layout(tmp_path / "set", rows))))


def _scaled(extent: float, digits: int | None = None) -> Callable[[Box, int, int], Box]:
    def change(box: Box, width: int, height: int) -> Box:
        exact = [value * extent / side for value, side in zip(box, (width, height, width, height), strict=True)]
        return exact if digits is None else [round(value, digits) for value in exact]

    return change


def _with_size(box: Box, *_: int) -> Box:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def _around_centre(box: Box, *_: int) -> Box:
    return [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]]


def _y_first(box: Box, *_: int) -> Box:
    return [box[1], box[0], box[3], box[2]]


READABLE: dict[str, tuple[Callable[[Box, int, int], Box], str]] = {
    "fractions": (_scaled(1), "x1 y1 x2 y2 in fractions of width and height (0 to 1)"),
    "fractions of two digits": (_scaled(1, 2), "x1 y1 x2 y2 in fractions of width and height (0 to 1)"),
    "percent": (_scaled(100), "x1 y1 x2 y2 in percent of width and height"),
    "whole percent": (_scaled(100, 0), "x1 y1 x2 y2 in percent of width and height"),
    "0 to 1000": (_scaled(1000), "x1 y1 x2 y2 in thousandths of width and height (0 to 1000)"),
    "whole 0 to 1000": (_scaled(1000, 0), "x1 y1 x2 y2 in thousandths of width and height (0 to 1000)"),
    "y first": (_y_first, "y1 x1 y2 x2 in pixels"),
    "y first, 0 to 1000, as Gemini writes": (
        lambda b, w, h: _y_first(_scaled(1000, 0)(b, w, h)),
        "y1 x1 y2 x2 in thousandths of width and height (0 to 1000)",
    ),
    "both x first": (lambda b, *_: [b[0], b[2], b[1], b[3]], "x1 x2 y1 y2 in pixels"),
    "x y width height": (_with_size, "x y width height in pixels"),
    "x y width height, fractions": (
        lambda b, w, h: _scaled(1)(_with_size(b), w, h),
        "x y width height in fractions of width and height (0 to 1)",
    ),
    "centre and size": (_around_centre, "centre x, centre y, width, height in pixels"),
    "centre and size, fractions": (
        lambda b, w, h: _scaled(1)(_around_centre(b), w, h),
        "centre x, centre y, width, height in fractions of width and height (0 to 1)",
    ),
    "twice as large": (lambda b, *_: [2 * v for v in b], "x1 y1 x2 y2 in pixels of the image at another size"),
    "sides brought to multiples of 28": (
        lambda b, w, h: [v * round(1.4 * s / 28) * 28 / s for v, s in zip(b, (w, h, w, h), strict=True)],
        "x1 y1 x2 y2 in pixels of the image at another size",
    ),
}


@pytest.mark.parametrize("case", READABLE)
def test_boxes_that_can_be_read_otherwise_are_said_once_a_split(
    case: str, problems_of: Callable[[Rows], list[DatasetProblem]]
) -> None:
    change, reading = READABLE[case]
    rows = boxed_rows()
    first = rows["objectqa"]["train"][0]["bbox"]
    with_boxes(rows, change)
    problems = problems_of(rows)
    assert [(p.config, p.split, p.row, p.kind) for p in problems] == [
        ("objectqa", "train", None, "box"),
        ("objectqa", "test", None, "box"),
    ], [str(p) for p in problems]
    for problem in problems:
        assert f"and does as {reading}: convert it, [" in problem.message
        count = re.match(r"bbox of (\d+) of 24 entities does not fit the crops", problem.message)
        assert count
        assert int(count[1]) >= 22  # a square box may fit either way
    _, converted = re.findall(r"\[([^]]+)\]", problems[0].message)
    assert [float(v) for v in converted.split(",")] == pytest.approx(first, abs=1.5)


def test_boxes_of_one_config_are_named_there(problems_of: Callable[[Rows], list[DatasetProblem]]) -> None:
    for config in ("imageqa", "objectqa"):
        rows = boxed_rows()
        with_boxes(rows, _scaled(1), (config,))
        assert [(p.config, p.split, p.row) for p in problems_of(rows)] == [
            (config, "train", None),
            (config, "test", None),
        ]


def test_two_units_in_one_split_are_two_lines(problems_of: Callable[[Rows], list[DatasetProblem]]) -> None:
    rows = boxed_rows()
    for config in ("objectqa", "imageqa"):
        del rows[config]["train"][6 if config == "imageqa" else 12 :]
    other = boxed_rows()
    with_boxes(rows, _scaled(1))
    with_boxes(other, _scaled(100))
    for config, at in (("objectqa", 12), ("imageqa", 6)):
        rows[config]["train"] += other[config]["train"][at:]
        rows[config]["test"] = boxed_rows()[config]["test"]
    messages = [p.message for p in problems_of(rows)]
    assert len(messages) == 2
    assert {"fractions", "percent"} == {word for word in ("fractions", "percent") for m in messages if word in m}


def test_one_box_alone_is_named_with_how_else_it_fits(problems_of: Callable[[Rows], list[DatasetProblem]]) -> None:
    rows = boxed_rows()
    row, listed = rows["objectqa"]["test"][5], rows["imageqa"]["test"][2]["entities"][1]
    row["bbox"] = listed["bbox"] = _with_size(row["bbox"])
    (problem,) = problems_of(rows)
    assert (problem.config, problem.split, problem.row, problem.item) == ("objectqa", "test", 5, row["entity_id"])
    assert "; it fits as x y width height in pixels: convert it" in problem.message


UNREADABLE: dict[str, tuple[Callable[[Rows], None], str]] = {
    "0 0 1 1 for all": (lambda r: with_boxes(r, lambda *_: [0, 0, 1, 1]), "spans 1 x 1 px"),
    "the whole image for all": (lambda r: with_boxes(r, lambda b, w, h: [0, 0, w, h]), "px but bbox [0, 0, "),
    "shifted by a quarter of the image": (
        lambda r: with_boxes(r, lambda b, w, h: [b[0] + w / 4, b[1] + h / 4, b[2] + w / 4, b[3] + h / 4]),
        "bbox",
    ),
    "crops of the next row": (lambda r: _shift(r, "objectqa", 1), "the crop is"),
    "images of the next row": (lambda r: _shift(r, "imageqa", 3), "the crop does not show what the image shows at"),
}


def _shift(rows: Rows, config: str, by: int) -> None:
    """By three rows, pictures of ``boxed_rows`` have the same size."""
    for split in rows[config].values():
        shown = [{name: row[name] for name in ("image", "width", "height")} for row in split]
        for row, other in zip(split, [*shown[by:], *shown[:by]], strict=True):
            row.update(other)


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_no_reading_explains_is_said_once_a_split(
    case: str, problems_of: Callable[[Rows], list[DatasetProblem]]
) -> None:
    change, message = UNREADABLE[case]
    rows = boxed_rows()
    change(rows)
    problems = [p for p in problems_of(rows) if p.kind == "box"]
    assert [(p.config, p.split, p.row) for p in problems] == [("objectqa", "train", None), ("objectqa", "test", None)]
    for problem in problems:
        assert "entities does not fit the crops, in no unit or order" in problem.message
        assert message in problem.message
        assert "First row" in problem.message


def test_two_crops_that_changed_places_are_found(problems_of: Callable[[Rows], list[DatasetProblem]]) -> None:
    rows = boxed_rows()
    first, second = rows["objectqa"]["test"][4:6]
    for name in ("image", "width", "height"):
        first[name], second[name] = second[name], first[name]
    assert [(p.row, p.kind) for p in problems_of(rows)] == [(4, "box"), (5, "box")]


RIGHT: dict[str, Callable[[Rows], None]] = {
    "as it is": lambda r: None,
    "crops as JPEG of quality 75": lambda r: _encode_all(crops(r), "JPEG", quality=75),
    "images as JPEG of quality 75": lambda r: _encode_all(images(r), "JPEG", quality=75),
    "both as WebP of quality 50": lambda r: _encode_all([*crops(r), *images(r)], "WEBP", quality=50),
    "boxes rounded outwards by less than a pixel": lambda r: with_boxes(
        r, lambda b, *_: [b[0] - 0.4, b[1] - 0.9, b[2] + 0.4, b[3] + 0.9]
    ),
    "boxes rounded inwards by less than a pixel": lambda r: with_boxes(
        r, lambda b, *_: [b[0] + 0.4, b[1] + 0.6, b[2] - 0.4, b[3] - 0.2]
    ),
    "last pixel counted in": lambda r: with_boxes(r, lambda b, *_: [b[0], b[1], b[2] - 1, b[3] - 1]),
    "grey crops with transparency": lambda r: _with_alpha(r),
}


def _encode_all(rows: Iterable[dict[str, Any]], file_format: str, **options: int) -> None:
    for row in rows:
        encode(row, decoded(row), file_format, **options)


def _with_alpha(rows: Rows) -> None:
    """Transparent places are white to models, in an image and in its crops alike."""
    for image in images(rows):
        picture = decoded(image).convert("RGBA")
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
        encode(image, picture)
        for crop in crops(rows):
            if crop["image_id"] == image["image_id"]:
                x1, y1, x2, y2 = map(int, crop["bbox"])
                encode(crop, picture.crop((x1, y1, x2, y2)))


@pytest.mark.parametrize("case", RIGHT)
def test_rounding_and_lossy_encoding_are_no_problem(
    case: str, problems_of: Callable[[Rows], list[DatasetProblem]]
) -> None:
    rows = boxed_rows()
    RIGHT[case](rows)
    assert [str(p) for p in problems_of(rows)] == []


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (None, "bbox is None"),
        ([1.0, 2.0, 3.0], "expected four finite numbers"),
        ([1.0, 2.0, float("inf"), 4.0], "expected four finite numbers"),
        ([5.0, 5.0, 5.0, 9.0], "has no area"),
        ([-2.0, 0.0, 5.0, 9.0], "reaches outside its image of 20 x 10 px"),
        ([20.2, 0.0, 20.9, 9.0], "lies beside its image"),
        ([0.0, 0.0, 1e30, 1e30], "reaches outside"),
        ([3.0, 2.0, 9.0, 8.0], None),
    ],
)
def test_numbers_that_cannot_be_a_box(box: list[float] | None, message: str | None) -> None:
    whole = Image.linear_gradient("L").resize((20, 10)).convert("RGB")
    fault = fault_of(0, "e", box, (20, 10), DecodedPicture(whole), DecodedPicture(whole.crop((3, 2, 9, 8))))
    assert (fault is None) == (message is None)
    if fault and message:
        assert message in fault.message


def test_a_box_is_compared_only_with_what_could_be_decoded() -> None:
    whole = DecodedPicture(Image.new("RGB", (20, 10)))
    assert fault_of(0, "e", [0.0, 0.0, 1.0, 1.0], (20, 10), whole, None) is None
    assert fault_of(0, "e", [0.0, 0.0, 1.0, 1.0], (20, 10), None, whole) is None
