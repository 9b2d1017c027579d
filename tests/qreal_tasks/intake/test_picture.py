"""What is taken as a picture, how it is identified, and how it is shown."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from qreal_tasks.images import pixels_digest
from qreal_tasks.intake.picture import CheckedPicture, UnusablePicture, check_input, decode_stored, show_input
from qreal_tasks.intake.settings import IntakeSettings

LIMITS = IntakeSettings()


def checked_input(raw: bytes, limits: IntakeSettings) -> CheckedPicture:
    """As ``check_input``; what is shown without storing it has the same pixels."""
    checked = check_input(raw, limits)
    assert pixels_digest(show_input(raw, limits)) == checked.pixels_sha256
    return checked


def encoded(image: Image.Image, form: str = "PNG", **settings: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **settings)
    return out.getvalue()


def scene(mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds next to nothing: what must not be decoded to find out."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def with_exif_text(result: str) -> bytes:
    """A PNG with EXIF as old programs write it, in hexadecimal digits."""
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(result)}\n{result}")
    return encoded(scene(), pnginfo=text)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(scene(), "JPEG", quality=95, exif=exif)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(b"", "the file is empty", id="zero bytes"),
        pytest.param(b"%PDF-1.7 not a picture", "no picture (22 bytes, b'%PDF-1.7'", id="no picture"),
        pytest.param(encoded(scene())[:500], "damaged: cannot be decoded to its end", id="truncated PNG"),
        pytest.param(encoded(scene(), "JPEG")[:-200], "damaged: cannot be decoded to its end", id="truncated JPEG"),
        pytest.param(
            encoded(scene("P"), "GIF", save_all=True, append_images=[scene("P").rotate(90), scene("P").rotate(45)]),
            "animated: 3 frames",
            id="animated GIF",
        ),
        pytest.param(
            encoded(scene(), "WEBP", save_all=True, append_images=[scene().rotate(90)]),
            "animated: 2 frames",
            id="animated WebP",
        ),
        pytest.param(
            encoded(scene(), "AVIF", save_all=True, append_images=[scene().rotate(90)]),
            "animated: 2 frames",
            id="animated AVIF",
        ),
        pytest.param(
            encoded(scene(), "TIFF", save_all=True, append_images=[scene().rotate(90)]),
            "several pages: 2, expected one picture",
            id="pages of a TIFF",
        ),
        pytest.param(b"\0\0\0\x18ftypheic" + bytes(40), "a format that is not read (HEIC, as phones", id="HEIC"),
        pytest.param(b"\xff\x0a" + bytes(40), "a format that is not read (JPEG XL); save it as PNG", id="JPEG XL"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "`git lfs pull` fetches it", id="Git LFS"),
        pytest.param(encoded(scene(), "AVIF")[:-400], "damaged: cannot be decoded to its end", id="truncated AVIF"),
        pytest.param(encoded(scene(size=(20, 40)), "JPEG2000"), "too small: 20 x 40 px", id="too small JPEG 2000"),
        pytest.param(with_exif_text("nothing"), "damaged: cannot be decoded to its end", id="damaged EXIF"),
        pytest.param(png_header(20_000, 20_000), "pixels", id="20,000 px, beyond Pillow's limit"),
        pytest.param(
            png_header(20_000, 4_000), "20000 x 4000 px are 80000000 pixels, expected at most", id="20,000 px"
        ),
        pytest.param(encoded(scene(size=(20, 400))), "20 x 400 px, expected sides of at least 32", id="too small"),
        pytest.param(encoded(Image.new("F", (64, 64), 0.5), "TIFF"), "mode F has no defined range", id="float"),
    ],
)
def test_what_cannot_be_annotated_is_told_with_its_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(UnusablePicture) as raised:
        check_input(raw, LIMITS)
    assert reason in str(raised.value)
    with pytest.raises(UnusablePicture) as shown:
        show_input(raw, LIMITS)
    assert str(shown.value) == str(raised.value)


def test_a_wide_picture_within_the_limit_is_taken() -> None:
    assert checked_input(encoded(Image.new("RGB", (20_000, 40))), LIMITS).width == 20_000


def sixteen_bits() -> bytes:
    return encoded(Image.fromarray((np.arange(64 * 48, dtype=np.uint16) * 21).reshape(48, 64)))


@pytest.mark.parametrize(
    ("raw", "mode", "note"),
    [
        pytest.param(encoded(scene()), "RGB", "", id="RGB"),
        pytest.param(encoded(scene("L")), "L", "", id="grey"),
        pytest.param(encoded(scene("P")), "P", "", id="palette"),
        pytest.param(encoded(scene("CMYK"), "JPEG"), "CMYK", "stored as CMYK, models are shown 8-bit RGB", id="CMYK"),
        pytest.param(sixteen_bits(), "I;16", "stored as I;16, models are shown 8-bit RGB", id="16 bits"),
        pytest.param(encoded(scene("RGBA")), "RGBA", "stored as RGBA, models are shown 8-bit RGB", id="alpha"),
    ],
)
def test_modes_are_kept_and_shown_as_rgb(raw: bytes, mode: str, note: str) -> None:
    checked = checked_input(raw, LIMITS)
    assert (checked.content, checked.mode, checked.note) == (raw, mode, note)
    shown = decode_stored(checked.content)
    assert (shown.mode, shown.size) == ("RGB", (checked.width, checked.height))


def test_sixteen_bits_keep_their_range() -> None:
    low, high = decode_stored(sixteen_bits()).convert("L").getextrema()
    assert (low, high) == (0, 251)  # 64 * 48 * 21 = 64,512 of 65,536


def test_transparent_places_are_white() -> None:
    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    assert decode_stored(encoded(clear)).getpixel((5, 5)) == (255, 255, 255)


def test_a_turned_picture_is_stored_as_it_is_seen() -> None:
    """Some readers heed the orientation and some do not: a box must mean one place."""
    checked = checked_input(turned(6), LIMITS)
    assert (checked.width, checked.height) == (48, 64)
    assert "turned as its EXIF orientation says" in checked.note
    stored = Image.open(io.BytesIO(checked.content))
    assert (stored.format, stored.size, stored.getexif().get(0x0112, 1)) == ("PNG", (48, 64), 1)


@pytest.mark.parametrize("orientation", [0, 1, 9, 99])
def test_an_orientation_that_turns_nothing_leaves_the_file_as_it_is(orientation: int) -> None:
    checked = checked_input(turned(orientation), LIMITS)
    assert (checked.content, checked.note) == (turned(orientation), "")


def test_ids_follow_the_content_and_pixels_tell_duplicates() -> None:
    one, other = encoded(scene()), encoded(scene(), compress_level=1)
    first, again, copy = (checked_input(raw, LIMITS) for raw in (one, one, other))
    assert first.image_id == again.image_id
    assert len(first.image_id) == 20
    assert first.image_id != copy.image_id
    assert first.pixels_sha256 == copy.pixels_sha256
    assert first.pixels_sha256 != checked_input(encoded(scene().rotate(180)), LIMITS).pixels_sha256


def test_the_header_alone_decides_about_size(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[object] = []
    load: Callable[..., object] = Image.Image.load

    def counted(image: Image.Image) -> object:
        loaded.append(image)
        return load(image)

    monkeypatch.setattr(Image.Image, "load", counted)
    with pytest.raises(UnusablePicture):
        checked_input(png_header(20_000, 4_000), LIMITS)
    assert not loaded


@pytest.mark.parametrize(
    ("form", "settings", "name"),
    [
        ("AVIF", {"quality": 90}, "AVIF"),
        ("JPEG2000", {}, "JPEG 2000"),
        pytest.param("JPEG2000", {"no_jp2": True}, "JPEG 2000", id="JPEG 2000 without a container"),
    ],
)
def test_what_not_every_reader_knows_is_stored_as_png(form: str, settings: dict[str, Any], name: str) -> None:
    raw = encoded(scene(), form, **settings)
    checked = checked_input(raw, LIMITS)
    assert (checked.format, checked.note) == (form, f"{name} stored as PNG")
    stored = Image.open(io.BytesIO(checked.content))
    assert stored.format == "PNG"
    assert (np.asarray(stored) == np.asarray(Image.open(io.BytesIO(raw)))).all()
    assert checked.pixels_sha256 == checked_input(encoded(stored.copy()), LIMITS).pixels_sha256


def test_alpha_of_an_avif_is_kept() -> None:
    checked = checked_input(encoded(Image.new("RGBA", (64, 64), (255, 0, 0, 0)), "AVIF"), LIMITS)
    assert Image.open(io.BytesIO(checked.content)).mode == "RGBA"
    assert decode_stored(checked.content).getpixel((5, 5)) == (255, 255, 255)


def test_a_turned_avif_is_stored_as_it_is_seen() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    checked = checked_input(encoded(scene(), "AVIF", exif=exif), LIMITS)
    assert (checked.width, checked.height) == (48, 64)
    assert Image.open(io.BytesIO(checked.content)).size == (48, 64)


def test_of_a_jpeg_with_a_second_picture_the_first_is_taken() -> None:
    first, second = scene(), Image.new("RGB", (64, 48), "teal")
    raw = encoded(first, "MPO", quality=95, save_all=True, append_images=[second])
    checked = checked_input(raw, LIMITS)
    assert checked.content == raw
    assert checked.note == "a JPEG with a second picture in it, the first one is taken"
    alone = Image.open(io.BytesIO(encoded(first, "JPEG", quality=95))).convert("RGB")
    assert (np.asarray(decode_stored(checked.content)) == np.asarray(alone)).all()
