"""Whether a file is one picture that can be annotated, and how it is shown to models.

The bytes of an accepted file are kept as they are: what is compressed again is another picture to judge.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from annotation.config import Intake
from annotation.errors import AnnotationError
from qreal_tasks.models.openai_pictures import eight_bits

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
_TURNED = range(2, 9)
"""Orientations of EXIF that turn or mirror; 1 is upright, and nobody heeds another value."""


class UnusablePicture(AnnotationError):  # noqa: N818 - named for what was found
    """The message is the reason; the caller knows which file."""


@dataclass(frozen=True)
class Checked:
    """A picture that can be annotated."""

    content: bytes
    """To be stored: the file as it was, or a lossless PNG where a viewer would turn the stored pixels."""
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


def check_picture(raw: bytes, limits: Intake) -> Checked:
    """Decode the file to its end and identify it.

    Raises:
        UnusablePicture: it is empty, no picture, damaged, animated, too small or too large.
    """
    if not raw:
        raise UnusablePicture("the file is empty (0 bytes)")
    image = _opened(raw, limits)
    file_format, file_mode = str(image.format), image.mode
    content, notes = raw, []
    if image.getexif().get(ExifTags.Base.Orientation) in _TURNED:
        # Some readers turn it and some do not: the same box would mean two places.
        try:
            ImageOps.exif_transpose(image, in_place=True)
        except Exception as error:  # it writes the other metadata anew, whatever they hold
            raise _damaged(error) from None
        content = _lossless(eight_bits(image))
        image = Image.open(io.BytesIO(content))
        notes.append("turned as its EXIF orientation says and stored as PNG")
    try:
        rgb = as_rgb(image)
    except ValueError as error:
        raise UnusablePicture(f"{error}; save it as 8-bit RGB") from error
    if file_mode not in ("RGB", "P", "L", "1"):
        notes.append(f"stored as {file_mode}, models are shown 8-bit RGB")
    return Checked(
        content,
        hashlib.sha256(raw).hexdigest()[:20],
        _pixels_digest(rgb),
        rgb.width,
        rgb.height,
        file_format,
        file_mode,
        "; ".join(notes),
    )


def as_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB: what every model is shown, and what crops are cut from. Transparent places are white.

    Raises:
        ValueError: a mode with no defined range of values.
    """
    plain = eight_bits(image)
    if plain.mode in ("RGBA", "LA"):
        ground = Image.new("RGBA", plain.size, "white")
        ground.alpha_composite(plain.convert("RGBA"))
        plain = ground
    return plain.convert("RGB")


def stored_rgb(content: bytes) -> Image.Image:
    """The picture of an intake shard as models are shown it."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        return as_rgb(image)


def _opened(raw: bytes, limits: Intake) -> Image.Image:
    """Decoded to its end; the size is looked at before anything is decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large files and odd metadata; the limits below decide
        try:
            image = Image.open(io.BytesIO(raw), formats=FORMATS)
            _check_size(image, limits)
            image.load()
            image.getexif()  # readers of the dataset look into it
        except UnusablePicture:
            raise
        except UnidentifiedImageError:
            expected = ", ".join(FORMATS)
            raise UnusablePicture(f"no picture ({len(raw)} bytes, {raw[:8]!r}…), expected {expected}") from None
        except Image.DecompressionBombError as error:
            raise UnusablePicture(f"{error}, expected at most {limits.max_pixels}; scale it down") from None
        except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error …
            raise _damaged(error) from None
    return image


def _damaged(error: Exception) -> UnusablePicture:
    said = f"{type(error).__name__}: {error}"
    return UnusablePicture(f"damaged: cannot be decoded to its end ({said}); write the file anew")


def _check_size(image: Image.Image, limits: Intake) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnusablePicture(f"animated: {frames} frames, expected one picture; save the frame that is meant")
    width, height = image.size
    if width * height > limits.max_pixels:
        raise UnusablePicture(
            f"{width} x {height} px are {width * height} pixels, expected at most {limits.max_pixels}; scale it down "
            "or raise intake.max_pixels"
        )
    if min(width, height) < limits.min_side_px:
        raise UnusablePicture(f"{width} x {height} px, expected sides of at least {limits.min_side_px}")


def _lossless(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", icc_profile=b"", exif=b"")
    return out.getvalue()


def _pixels_digest(rgb: Image.Image) -> str:
    digest = hashlib.sha256(json.dumps(rgb.size).encode())
    digest.update(rgb.tobytes())
    return digest.hexdigest()
