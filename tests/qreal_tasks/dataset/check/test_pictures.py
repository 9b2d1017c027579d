"""Pictures as models are shown them: orientation tags, other formats, files instead of pictures."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from boxed_rows import boxed_rows, crops, decoded, encode, images, with_orientation
from PIL import Image
from small_set import Rows, write_hub_layout

from qreal_tasks.dataset.check import check_dataset
from qreal_tasks.dataset.check.pictures import read_picture
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import DatasetError, Source, locate
from qreal_tasks.harness import yaml_values
from qreal_tasks.images import PictureError, as_rgb

pytestmark = pytest.mark.slow

UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What has to be done to a picture so that its orientation turns it back."""


@pytest.fixture
def set_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Rows], Source]:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return lambda rows: locate(str(write_hub_layout(tmp_path / "set", rows)))


def _tag(row: dict[str, Any], orientation: int, file_format: str) -> None:
    """The same file with a tag, columns and all else unchanged."""
    quality = {"quality": 95} if file_format == "JPEG" else {}
    encode(row, decoded(row), file_format, exif=with_orientation(orientation), **quality)


def _turn_columns(row: dict[str, Any]) -> None:
    row["width"], row["height"] = row["height"], row["width"]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_tag_that_changes_the_size_is_seen_in_the_columns(
    orientation: int, file_format: str, set_of: Callable[[Rows], Source]
) -> None:
    rows = boxed_rows()
    image = rows["imageqa"]["test"][0]  # 120 x 200
    _tag(image, orientation, file_format)
    source = set_of(rows)
    assert load_split(source, "imageqa", "test")[0]["image"].size == (200, 120)
    messages = [str(p) for p in check_dataset(source)]
    assert messages[0] == (
        f"imageqa/test row 0, {image['image_id']}: image is 200 x 120 px (turned by its EXIF orientation "
        f"{orientation}) but width and height say 120 x 200"
    )
    _turn_columns(image)  # as every reader of `datasets` sees it; the boxes are still those of the unturned picture
    told = [str(p) for p in check_dataset(set_of(rows))]
    assert told == messages[1:]
    if file_format == "TIFF":  # the unturned picture is not to be had
        assert len(told) == 2
        assert all(f"(turned by its EXIF orientation {orientation})" in message for message in told)
    else:
        assert len(told) == 1
        assert "bbox of 2 of 24 entities" in told[0]
        assert "and does in the picture before its EXIF orientation turns it" in told[0]


@pytest.mark.parametrize("orientation", UNDO)
def test_a_turned_picture_with_everything_as_it_is_shown(orientation: int, set_of: Callable[[Rows], Source]) -> None:
    """Only a tag that the size does not give away is a problem then."""
    rows = boxed_rows()
    for image in images(rows):
        if image["width"] != image["height"]:
            encode(image, decoded(image).transpose(UNDO[orientation]), exif=with_orientation(orientation))
    problems = check_dataset(set_of(rows))
    if orientation >= 5:
        assert problems == []
        return
    assert {p.kind for p in problems} == {"orientation"}
    assert f"the EXIF orientation {orientation}, which some readers heed" in problems[0].message


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_a_tag_that_keeps_the_size_is_seen_by_itself_and_in_the_crops(
    orientation: int, set_of: Callable[[Rows], Source]
) -> None:
    rows = boxed_rows()
    for image in rows["imageqa"]["test"]:
        _tag(image, orientation, "JPEG")
    told = {(p.config, p.split, p.row, p.kind) for p in check_dataset(set_of(rows))}
    assert told == {("imageqa", "test", None, "orientation"), ("objectqa", "test", None, "box")}


def test_a_square_picture_does_not_show_whether_it_is_turned(set_of: Callable[[Rows], Source]) -> None:
    rows = boxed_rows()
    square = next(image for image in images(rows) if image["width"] == image["height"])
    encode(square, decoded(square).transpose(UNDO[6]), exif=with_orientation(6))
    assert [(p.item, p.kind) for p in check_dataset(set_of(rows))] == [(square["image_id"], "orientation")]


@pytest.mark.parametrize(
    ("columns", "kinds"), [("stored", ["size"]), ("shown", [])], ids=["as it is stored", "as it is shown"]
)
def test_a_crop_that_is_stored_turned(columns: str, kinds: list[str], set_of: Callable[[Rows], Source]) -> None:
    """130 x 176 px, stored as 176 x 130 with orientation 6: models see 130 x 176."""
    rows = boxed_rows()
    image, crop = next(images(rows)), next(crops(rows))
    encode(image, decoded(image).resize((224, 240)))
    image["width"], image["height"] = 224, 240
    for number, listed in enumerate(image["entities"]):
        box = (20.0, 30.0, 150.0, 206.0) if number == 0 else (1.0, 2.0, 40.0, 50.0)
        row = rows["objectqa"]["train"][number]
        row["bbox"] = listed["bbox"] = list(box)
        cut = decoded(image).crop(box)
        encode(row, cut)
        row["width"], row["height"] = cut.size
    encode(crop, decoded(crop).transpose(UNDO[6]), exif=with_orientation(6))
    if columns == "stored":
        _turn_columns(crop)
    source = set_of(rows)
    assert load_split(source, "objectqa", "train")[0]["image"].size == (130, 176)
    assert [p.kind for p in check_dataset(source)] == kinds


@pytest.mark.parametrize("orientation", [0, 1, 9, 77])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_tag_that_turns_nothing_is_no_problem(
    file_format: str, orientation: int, set_of: Callable[[Rows], Source]
) -> None:
    rows = boxed_rows()
    for image in images(rows):
        _tag(image, orientation, file_format)
    assert check_dataset(set_of(rows)) == []


def _saved(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, file_format, **options)
    return out.getvalue()


SCENE = decoded(next(images(boxed_rows())))
FILES = {
    **{
        f"orientation {n} in {f}": _saved(SCENE, f, exif=with_orientation(n))
        for n in range(10)
        for f in ("PNG", "TIFF")
    },
    "CMYK": _saved(SCENE.convert("CMYK"), "JPEG"),
    "grey with transparency": _saved(SCENE.convert("LA"), "PNG"),
    "one bit": _saved(SCENE.convert("1"), "PNG"),
    "palette with transparency": _saved(SCENE.quantize(16), "PNG", transparency=3),
    "16 bit": _saved(Image.linear_gradient("L").convert("I;16"), "PNG"),
    "animated": _saved(SCENE, "GIF", save_all=True, append_images=[SCENE.rotate(90)]),
    "orientation in XMP": _saved(SCENE, "JPEG", xmp=b'<rdf:Description tiff:Orientation="6" />'),
    "garbled EXIF": _saved(SCENE, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08garbled"),
    "cut file": _saved(SCENE, "PNG")[:900],
    "no picture": b"<html></html>",
}


@pytest.mark.parametrize("case", FILES)
def test_what_is_checked_is_what_load_hands_out(case: str, set_of: Callable[[Rows], Source]) -> None:
    rows = boxed_rows()
    rows["imageqa"]["test"][0]["image"] = stored = {"bytes": FILES[case], "path": None}
    shown = load_split(set_of(rows), "imageqa", "test")
    try:
        expected = as_rgb(shown[0]["image"])
    except Exception:  # whatever Pillow raises
        with pytest.raises(PictureError, match=rf"cannot be decoded \({len(FILES[case])} bytes\)"):
            read_picture(stored, None)
    else:
        found = read_picture(stored, None).rgb
        assert (found.size, found.tobytes()) == (expected.size, expected.tobytes())


def _named(path: Path) -> dict[str, Any]:
    return {"bytes": None, "path": str(path)}


def test_a_picture_that_is_a_file_of_this_machine_is_refused(
    tmp_path: Path, set_of: Callable[[Rows], Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the check nor loading opens it: not by path, not through a link in the folder, not by a relative name."""
    rows = boxed_rows()
    private = tmp_path / "private.png"
    decoded(rows["imageqa"]["test"][0]).save(private)
    link = tmp_path / "set" / "link.png"
    link.parent.mkdir()
    link.symlink_to(private)
    monkeypatch.chdir(tmp_path)
    for number, path in enumerate((private, link, Path("private.png"), Path("hf://datasets/a/b/c.png"))):
        rows["imageqa"]["test"][number]["image"] = _named(path)
    source = set_of(rows)
    problems = check_dataset(source)
    assert [(p.row, p.kind) for p in problems] == [(0, "image"), (1, "image"), (2, "image"), (3, "image")]
    assert all("the name of a file outside of the set" in p.message for p in problems)
    with pytest.raises(DatasetError, match=r"config imageqa, split test, row 0: image is no picture but the name"):
        load_split(source, "imageqa", "test")
    assert len(load_split(source, "objectqa", "test")) == 24
    # What the tasks take from the environment, when the harness is started without `qreal eval`.
    monkeypatch.setenv("QREAL_DATA", source.name)
    with pytest.raises(DatasetError, match="image is no picture but the name"):
        yaml_values.imageqa_path  # noqa: B018
    assert yaml_values.objectqa_path == source.path


def test_a_file_of_the_folder_itself_is_a_picture_of_the_set(tmp_path: Path, set_of: Callable[[Rows], Source]) -> None:
    rows = boxed_rows()
    own = tmp_path / "set" / "pictures" / "0.png"
    own.parent.mkdir(parents=True)
    own.write_bytes(rows["imageqa"]["test"][0]["image"]["bytes"])
    rows["imageqa"]["test"][0]["image"] = _named(own)
    source = set_of(rows)
    assert check_dataset(source) == []
    assert load_split(source, "imageqa", "test")[0]["image"].size == (120, 200)
    own.unlink()
    os.mkfifo(own)  # opening it would wait for ever
    (problem,) = check_dataset(source)
    assert problem.message.endswith("pictures/0.png of the set, which is not there")
    with pytest.raises(DatasetError, match="which is not there"):
        load_split(source, "imageqa", "test")
