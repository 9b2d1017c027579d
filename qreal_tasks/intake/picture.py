"""Checks that a file is one picture that can be annotated, and makes it fit to be stored.

The bytes of an accepted file are kept as they are: what is compressed again is another picture to judge. Where not
every reader shows the same pixels, or any (EXIF orientation, AVIF, JPEG 2000), these are stored without loss, as PNG.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError, features

from qreal_tasks.images import pixels_digest, refuse_damaged_files
from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.settings import IntakeSettings
from qreal_tasks.models.server.pictures import eight_bits

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
"""Formats of stored pictures: read by every Pillow and by browsers, or at least (TIFF) by every Pillow."""

_STORED_AS_PNG = {"AVIF": "AVIF", "JPEG2000": "JPEG 2000"}
"""What is read and stored as PNG: browsers show no JPEG 2000, and a Pillow of some years ago knows no AVIF."""

_BEGINNINGS = (
    (re.compile(rb"....ftypavi[fs]", re.DOTALL), "AVIF", "avif"),
    (re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), "JPEG 2000", "jpg_2000"),
    (re.compile(rb"....ftyp(hei|hev|mif1|msf1)", re.DOTALL), "HEIC, as phones write it", None),
    (re.compile(rb"\0\0\0\x0cJXL |\xff\x0a"), "JPEG XL", None),
)
"""How files begin that hold a picture though Pillow does not say so, and what Pillow calls their decoder."""

_LFS_POINTER = b"version https://git-lfs"

_TURNED = range(2, 9)
"""Orientations of EXIF that turn or mirror; 1 is upright, and nobody heeds another value."""


class UnusablePicture(IntakeError):  # noqa: N818 - named for what was found
    """The message is the reason; the caller knows which file."""


@dataclass(frozen=True)
class CheckedPicture:
    """A picture that can be annotated."""

    content: bytes
    """What is stored: the file as it was, or a lossless PNG where a viewer would turn the stored pixels."""
    image_id: str
    """The first 20 hexadecimal digits of SHA-256 over the file as it was given."""
    pixels_sha256: str
    """Over what models are shown: the same for copies in another lossless format."""
    width: int
    height: int
    format: str
    mode: str
    note: str
    """What differs between the stored picture and what models are shown; empty for most."""


def check_input(raw: bytes, limits: IntakeSettings) -> CheckedPicture:
    """Decode the file to its end and identify it.

    Of a JPEG with a second picture in it (MPO; phones put a map of brightness or depth there, stereo cameras the other
    eye's view) the first one is taken, since it is the one that every reader shows.

    Raises:
        UnusablePicture: it is empty, no picture, damaged, animated, too small or too large. What stands before the
            first colon or bracket of the message is the kind of reason, the same for all files.
    """
    image = _open(raw, limits)
    file_format, file_mode = str(image.format), image.mode
    content, notes = raw, []
    if file_format == "MPO":
        notes.append("a JPEG with a second picture in it, the first one is taken")
    if _turn(image):
        notes.append("turned as its EXIF orientation says and stored as PNG")
        content = b""
    elif file_format in _STORED_AS_PNG:
        notes.append(f"{_STORED_AS_PNG[file_format]} stored as PNG")
        content = b""
    with _explain_colours():
        if not content:
            content = _encode_png(eight_bits(image))
            image = Image.open(io.BytesIO(content))
        rgb = on_white(image)
    if file_mode not in ("RGB", "P", "L", "1"):
        notes.append(f"stored as {file_mode}, models are shown 8-bit RGB")
    return CheckedPicture(
        content,
        hashlib.sha256(raw).hexdigest()[:20],
        pixels_digest(rgb),
        rgb.width,
        rgb.height,
        file_format,
        file_mode,
        "; ".join(notes),
    )


def show_input(raw: bytes, limits: IntakeSettings) -> Image.Image:
    """Decode the file as models are shown it: the pixels of ``check_input``, which encodes them for storing; the same
    files are refused for the same reasons.

    Raises:
        UnusablePicture: as ``check_input``.
    """
    image = _open(raw, limits)
    _turn(image)
    with _explain_colours():
        return on_white(image)


def _turn(image: Image.Image) -> bool:
    """Turn the picture as its EXIF orientation says, if it says so: some readers turn it and some do not, and the same
    box would mean two places."""
    if image.getexif().get(ExifTags.Base.Orientation) not in _TURNED:
        return False
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # it writes the other metadata anew, whatever they hold
        raise _damage_error(f"{type(error).__name__}: {error}") from None
    return True


@contextmanager
def _explain_colours() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise UnusablePicture(f"no 8-bit colours: {error}; save it as 8-bit RGB") from error


def on_white(image: Image.Image) -> Image.Image:
    """Convert to 8-bit RGB: what every model is shown, and crops are cut from. Transparent places become white.

    Raises:
        ValueError: a mode with no defined range of values.
    """
    plain = eight_bits(image)
    if plain.mode in ("RGBA", "LA"):
        ground = Image.new("RGBA", plain.size, "white")
        ground.alpha_composite(plain.convert("RGBA"))
        plain = ground
    return plain.convert("RGB")


def decode_stored(content: bytes) -> Image.Image:
    """Decode what ``check_input`` says is to be stored, as models are shown it."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        return on_white(image)


def _open(raw: bytes, limits: IntakeSettings) -> Image.Image:
    """Decoded to its end; the size is looked at before anything is decoded."""
    if not raw:
        raise UnusablePicture("the file is empty (0 bytes)")
    with warnings.catch_warnings(), refuse_damaged_files():
        warnings.simplefilter("ignore")  # of large files and odd metadata; the limits below decide
        try:
            image = Image.open(io.BytesIO(raw), formats=(*FORMATS, *_STORED_AS_PNG))
            _check_size(image, limits)
            image.load()
            image.getexif()  # readers of the dataset look into it
        except UnusablePicture:
            raise
        except UnidentifiedImageError:
            raise _format_error(raw) from None
        except Image.DecompressionBombError as error:
            raise UnusablePicture(f"too large: {error}, expected at most {limits.max_pixels}; scale it down") from None
        except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error …
            raise _damage_error(f"{type(error).__name__}: {error}") from None
    return image


def _format_error(raw: bytes) -> UnusablePicture:
    for beginning, name, decoder in _BEGINNINGS:
        if beginning.match(raw):
            if decoder and features.check(decoder):
                return _damage_error(f"its beginning says {name}")
            lacking = ", whose decoder this Pillow lacks" if decoder else ""
            return UnusablePicture(f"a format that is not read ({name}{lacking}); save it as PNG")
    if raw.startswith(_LFS_POINTER):
        return UnusablePicture("no picture but a pointer of Git LFS: `git lfs pull` fetches it")
    expected = ", ".join((*FORMATS, *_STORED_AS_PNG.values()))
    return UnusablePicture(f"no picture ({len(raw)} bytes, {raw[:8]!r}…), expected {expected}")


def _damage_error(reason: str) -> UnusablePicture:
    return UnusablePicture(f"damaged: cannot be decoded to its end ({reason}); write the file anew")


def _check_size(image: Image.Image, limits: IntakeSettings) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format == "TIFF":
        raise UnusablePicture(f"several pages: {frames}, expected one picture; save the page that is meant")
    if frames > 1 and image.format != "MPO":
        raise UnusablePicture(f"animated: {frames} frames, expected one picture; save the frame that is meant")
    width, height = image.size
    if width * height > limits.max_pixels:
        raise UnusablePicture(
            f"too large: {width} x {height} px are {width * height} pixels, expected at most {limits.max_pixels}; "
            "scale it down or raise intake.max_pixels"
        )
    if min(width, height) < limits.min_side_px:
        raise UnusablePicture(
            f"too small: {width} x {height} px, expected sides of at least {limits.min_side_px} (intake.min_side_px)"
        )


def _encode_png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", icc_profile=b"", exif=b"")
    return out.getvalue()
