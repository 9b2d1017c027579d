"""Thumbnails: small, the same for the same pixels, and named by nothing but a hash."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from small_set import scene

from qreal_tasks.images import pixels_digest
from qreal_tasks.screening.thumbnails import SIDE_PX, make_thumbnail, save_thumbnail, thumbnail_path


def test_equal_pixels_give_equal_bytes_whatever_the_file_says_beside_them() -> None:
    picture = scene(1).resize((1000, 800))
    described = picture.copy()
    described.info["comment"] = b"somebody's name"
    described.info["icc_profile"] = b"a profile"
    assert make_thumbnail(picture) == make_thumbnail(described)
    assert Image.open(io.BytesIO(make_thumbnail(picture))).size == (SIDE_PX, 256)
    assert picture.size == (1000, 800)


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (40, 30)])
def test_small_and_thin_pictures_have_one(size: tuple[int, int]) -> None:
    found = Image.open(io.BytesIO(make_thumbnail(Image.new("RGB", size, "teal"))))
    assert min(found.size) >= 1
    assert max(found.size) == min(SIDE_PX, max(size))


def test_one_is_written_once(tmp_path: Path) -> None:
    pixels = pixels_digest(scene(1))
    save_thumbnail(tmp_path, pixels, scene(1))
    path = thumbnail_path(tmp_path, pixels)
    assert path.read_bytes() == make_thumbnail(scene(1))
    path.write_bytes(b"as it was")
    save_thumbnail(tmp_path, pixels, scene(1))
    assert path.read_bytes() == b"as it was"
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("pixels", ["", "../../x", "4F" * 32, "4f" * 33, "4f" * 32 + "\n"])
def test_what_is_no_hash_names_no_file(pixels: str) -> None:
    with pytest.raises(ValueError, match="expected a SHA-256"):
        thumbnail_path(Path("out"), pixels)
