"""A row's picture as ``load`` hands it to models, and what is wrong with it by itself."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, ImageOps
from PIL import Image as PillowImage

from qreal_tasks.dataset.check.problem import RowFinding
from qreal_tasks.dataset.files import unusable_picture
from qreal_tasks.files.regular import read_bytes
from qreal_tasks.images import PictureError, as_rgb

_TURNED = range(2, 9)
"""Orientations of EXIF that turn or mirror; 1 is upright, and nobody heeds another value."""

_SIDES_CHANGE = 5
"""From this one on, width becomes height."""


@dataclass(frozen=True)
class DecodedPicture:
    """A decoded picture."""

    rgb: PillowImage.Image
    """As models are shown it: turned by its EXIF orientation."""
    orientation: int | None = None
    """The EXIF orientation, where there is one that turns or mirrors."""
    unturned: PillowImage.Image | None = None
    """The pixels before that, where Pillow gives them away: it turns TIFF as it decodes it."""

    @property
    def turning(self) -> str:
        """For messages: how the picture is turned, if it is."""
        return f" (turned by its EXIF orientation {self.orientation})" if self.orientation else ""


def read_picture(stored: Mapping[str, Any] | None, own_folder: Path | None) -> DecodedPicture:
    """Decode a picture to its end, as ``datasets`` and the tasks do.

    Args:
        stored: ``bytes`` and ``path`` as ``datasets`` holds them undecoded.
        own_folder: of the set, if it has one.

    Raises:
        PictureError: nothing is stored, it is no part of the set, or cannot be decoded.
    """
    content = _content(stored, own_folder)
    try:
        image = PillowImage.open(io.BytesIO(content))
        orientation = _orientation(image)
        image.load()
        if orientation is None:
            return DecodedPicture(as_rgb(image))
        if _orientation(image) is None:
            return DecodedPicture(as_rgb(image), orientation)
        return DecodedPicture(as_rgb(ImageOps.exif_transpose(image)), orientation, as_rgb(image))
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error …
        raise PictureError(
            f"image cannot be decoded ({len(content)} bytes): {type(error).__name__}: {error}"
        ) from error


def check_row_picture(picture: DecodedPicture, row: Mapping[str, Any], item: str) -> Iterator[RowFinding]:
    """The size as models are shown it against the row's columns, and orientations that the size does not tell."""
    width, height = picture.rgb.size
    if (width, height) != (row["width"], row["height"]):
        yield RowFinding(
            item,
            "size",
            f"image is {width} x {height} px{picture.turning} but width and height say "
            f"{row['width']} x {row['height']}",
        )
    if picture.orientation and (picture.orientation < _SIDES_CHANGE or width == height):
        yield RowFinding(
            item,
            "orientation",
            f"image has the EXIF orientation {picture.orientation}, which some readers heed and some do not, and its "
            "size does not tell which: store the pixels as they are meant to be seen, without the tag",
        )


def _orientation(image: PillowImage.Image) -> int | None:
    """The EXIF orientation, if it turns or mirrors."""
    found = image.getexif().get(ExifTags.Base.Orientation)
    return found if found in _TURNED else None


def _content(stored: Mapping[str, Any] | None, own_folder: Path | None) -> bytes:
    if reason := unusable_picture(stored, own_folder):
        raise PictureError(reason)
    content: bytes | None = stored["bytes"] if stored else None
    if content is None and stored and stored["path"]:
        try:
            content = read_bytes(Path(stored["path"]))
        except OSError as error:
            raise PictureError(f"image cannot be read: {error}") from error
    if not content:
        raise PictureError("image is an empty file, expected the encoded picture")
    return content
