"""The pictures of prompts as files, with the pixels that the tasks show a model."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from qreal_tasks.boxes import Space
from qreal_tasks.dataset.source import DatasetError
from qreal_tasks.images import Size, as_rgb
from qreal_tasks.models.families import Family
from qreal_tasks.models.server.sizes import PictureSizes

CROPS, IMAGES = "crops", "images"
"""Folders of the pictures of ObjectQA and of ImageQA."""
_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_SHOWN = 60
"""Characters of an id in the name of a file; what follows tells ids apart."""


def picture_name(folder: str, sample_id: str, size: Size | None = None) -> str:
    """The path of a sample's picture below the folder of all: the same for the same id, and for no other.

    >>> picture_name(CROPS, "img-7#0"), picture_name(IMAGES, "img-7", (1036, 784))
    ('crops/img-7-0-5a8cdbf03a59.png', 'images/img-7-39fa2811f8ba-1036x784.png')
    """
    shown = _NO_FILE_NAME.sub("-", sample_id)[:_LONGEST_SHOWN].strip("-")
    digest = hashlib.sha256(sample_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    sized = f"-{size[0]}x{size[1]}" if size else ""
    return f"{folder}/{f'{shown}-' if shown else ''}{digest}{sized}.png"


@dataclass(frozen=True)
class FedSizes:
    """The size that a model is fed, for boxes in its pixels: pictures are brought to it, so that it is known."""

    sizes: PictureSizes

    @classmethod
    def of(cls, space: Space, family: Family | None, min_pixels: int | None, max_pixels: int | None) -> FedSizes:
        """As ``PictureSizes.of``, which raises ValueError where the size cannot be known."""
        return cls(PictureSizes.of(space, family, min_pixels, max_pixels))

    def reported(self, size: Size) -> Size | None:
        """The size that the model sees of a picture of this one; None where it does not matter."""
        return self.sizes.rule.fed(size) if self.sizes.rule else None

    def resized(self, picture: Image.Image) -> Image.Image:
        """The picture in the size in which it is to be sent."""
        if self.sizes.rule is None:
            return picture
        size = self.sizes.sent(picture.size)
        return picture if size == picture.size else picture.resize(size, Image.Resampling.BICUBIC)


def encode_picture(row: Mapping[str, Any], where: str, sizes: FedSizes | None = None) -> bytes:
    """A row's picture as PNG: its pixels in RGB, as the tasks show them, and nothing else of its file.

    Args:
        where: names the row in an error.
        sizes: brings it to the size that a model is fed; None for its own.

    Raises:
        DatasetError: it cannot be decoded.
    """
    try:
        picture = as_rgb(row["image"])
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{where}: its picture cannot be decoded ({error}); `qreal data check` finds all") from None
    out = io.BytesIO()
    plain = (sizes.resized(picture) if sizes else picture).copy()
    plain.info = {}  # no profile or text of the file
    # Level 1 takes a third of the time of the default for files about a tenth larger.
    plain.save(out, "PNG", compress_level=1, pnginfo=PngImagePlugin.PngInfo())
    return out.getvalue()


def write_picture(folder: Path, name: str, content: bytes) -> None:
    """Write a picture below the folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
