"""Pictures as people have them, as the RGB that every model is shown."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from qreal_tasks.files.regular import read_bytes
from qreal_tasks.images import PictureError, as_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = str | Path | bytes | Image.Image | NDArray[Any]

_ARRAYS = "an array of height x width, or height x width x 1, 3 or 4, of uint8, or of floats from 0 to 1"
_EXPECTED = f"a path, the bytes of a file, a PIL image, or {_ARRAYS}"


@dataclass(frozen=True)
class NamedPicture:
    """A picture, and what messages call it."""

    name: str
    image: Image.Image
    """RGB."""


def open_pictures(given: Sequence[Picture]) -> list[NamedPicture]:
    """Open every picture before any is asked about.

    Raises:
        PictureError: some cannot be read; the message names each.
    """
    opened: list[NamedPicture] = []
    wrong: list[str] = []
    for number, one in enumerate(given, start=1):
        name = str(one) if isinstance(one, str | Path) else f"picture {number}"
        try:
            opened.append(NamedPicture(name, open_picture(one)))
        except PictureError as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        raise PictureError("; ".join(wrong))
    return opened


def open_picture(given: Picture) -> Image.Image:
    """The picture in RGB, turned as its EXIF orientation says; transparent places become white (``images.as_rgb``).

    Raises:
        PictureError: it is none, or is damaged.
    """
    if isinstance(given, np.ndarray):
        image: Image.Image = _of_array(given)
    elif isinstance(given, Image.Image):
        image = given
    elif isinstance(given, str | Path | bytes | bytearray | memoryview):
        image = _decode(_read(given))
    else:
        raise PictureError(f"{type(given).__name__}, expected {_EXPECTED}")
    if 0 in image.size:
        raise PictureError(f"{image.width} x {image.height} px, expected at least one pixel")
    try:
        return as_rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them meet
        raise PictureError(f"damaged: {type(error).__name__}: {error}; write the file anew") from None


def _read(given: str | Path | bytes | bytearray | memoryview) -> bytes:
    if not isinstance(given, str | Path):
        return bytes(given)
    if str(given).startswith(("http://", "https://", "data:")):
        raise PictureError(f"an address, expected {_EXPECTED}; download it first")
    try:
        return read_bytes(Path(given).expanduser())
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror or error}") from None


def _decode(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content))
    except Exception as error:  # also the guard against huge pictures
        found = f"{len(content):,} bytes that begin with {content[:8]!r}" if content else "no bytes at all"
        why = "" if isinstance(error, UnidentifiedImageError) else f" ({type(error).__name__}: {error})"
        raise PictureError(f"no picture that Pillow opens, {found}{why}; save it as PNG or JPEG") from None


def _of_array(array: NDArray[Any]) -> Image.Image:
    shown = f"an array of shape {array.shape} and {array.dtype}, expected {_ARRAYS}"
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        raise PictureError(f"{shown}{'; .transpose(1, 2, 0) puts the colours last' if first else ''}")
    if array.dtype.kind == "f":
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise PictureError(f"{shown}; its values are {array.min():g} to {array.max():g}")
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise PictureError(f"{shown}; .astype(np.uint8) once its values are 0 to 255")
    return Image.fromarray(array)
