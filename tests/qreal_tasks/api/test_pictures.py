"""Pictures as people have them: the same pixels whatever they come as, and which one is broken."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qreal_tasks.api.pictures import open_picture, open_pictures
from qreal_tasks.images import PictureError, as_rgb

PIXELS = np.random.default_rng(3).integers(0, 256, (6, 9, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)
GREY = PICTURE.convert("L")


def encoded(image: Image.Image, form: str = "PNG", **settings: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **settings)
    return out.getvalue()


def turned_by_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(PICTURE.transpose(Image.Transpose.ROTATE_90), exif=exif)


def with_alpha() -> Image.Image:
    image = PICTURE.convert("RGBA")
    image.putpixel((0, 0), (10, 20, 30, 0))
    return image


SAME: dict[str, tuple[Any, Image.Image]] = {
    "a PIL image": (PICTURE, PICTURE),
    "bytes": (encoded(PICTURE), PICTURE),
    "a view of bytes": (memoryview(encoded(PICTURE)), PICTURE),
    "an array": (PIXELS, PICTURE),
    "an array of floats": (PIXELS / 255, PICTURE),
    "an array with an opaque layer": (np.dstack([PIXELS, np.full((6, 9), 255, np.uint8)]), PICTURE),
    "a grey array": (np.asarray(GREY), GREY.convert("RGB")),
    "a grey array with one layer": (np.asarray(GREY)[:, :, None], GREY.convert("RGB")),
    "grey": (encoded(GREY), GREY.convert("RGB")),
    "a palette": (encoded(PICTURE.quantize(256)), as_rgb(PICTURE.quantize(256))),
    "transparent": (encoded(with_alpha()), as_rgb(with_alpha())),
    "turned by EXIF": (turned_by_exif(6), PICTURE),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_pixels(name: str) -> None:
    given, expected = SAME[name]
    found = open_picture(given)
    assert found.mode == "RGB"
    assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_transparent_places_are_white() -> None:
    assert open_picture(with_alpha()).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("of", [str, Path])
def test_a_path(of: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    PICTURE.save(path)
    [found] = open_pictures([of(path)])
    assert found.name == str(path)
    assert found.image.tobytes() == PICTURE.tobytes()


def test_the_given_picture_stays_as_it_is() -> None:
    given = Image.open(io.BytesIO(turned_by_exif(6)))
    size = given.size
    assert open_picture(given).size != size
    assert given.size == size


WRONG: dict[str, tuple[Any, str]] = {
    "no picture": (b"not a picture", r"no picture that Pillow opens, 13 bytes that begin with b'not a pi'"),
    "nothing": (b"", "no bytes at all"),
    "cut off": (encoded(PICTURE.resize((300, 300)))[:-400], "damaged: .*write the file anew"),
    "another type": (7, "int, expected a path, the bytes of a file, a PIL image, or an array"),
    "colours first": (PIXELS.transpose(2, 0, 1), r"shape \(3, 6, 9\) and uint8.*transpose\(1, 2, 0\)"),
    "many at once": (PIXELS[None], r"an array of shape \(1, 6, 9, 3\)"),
    "no pixels": (PIXELS[:0], r"an array of shape \(0, 9, 3\)"),
    "floats to 255": (PIXELS.astype(float), "its values are 0 to 255"),
    "not a number": (np.full((3, 3), np.nan), "its values are nan to nan"),
    "16 bits": (PIXELS.astype(np.uint16), r"uint16, expected .*astype\(np.uint8\)"),
    "an address": ("https://example.org/cat.png", "an address, expected a path"),
    "a path to nothing": ("cat.png", "cannot be read: No such file"),
    "a folder": (Path(), "cannot be read: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given, message = WRONG[name]
    with pytest.raises(PictureError, match=message):
        open_picture(given)


def test_every_broken_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError) as raised:
        open_pictures([PICTURE, b"x", tmp_path / "lost.png"])
    assert str(raised.value).count("picture 2: no picture") == 1
    assert f"{tmp_path / 'lost.png'}: cannot be read: No such file or directory" in str(raised.value)
