"""Any picture that Pillow opens, as the 8-bit RGB that every image processor takes.

>>> as_rgb(Image.new("RGBA", (2, 1), (0, 0, 0, 0))).getpixel((0, 0))
(255, 255, 255)
>>> with_sides_in_range(Image.new("RGB", (1000, 1))).size
(1000, 5)
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageDraw, ImageFile

from qreal_tasks.boxes import pixel_box

LARGEST_RATIO = 200
"""Qwen's processors, and servers with such a model, refuse a picture whose sides differ by more than this factor."""

Size = tuple[int, int]
"""Width and height in pixels."""

SMALLEST_SIDE = 4
"""An array with a side of 1 or 3 pixels can be taken for one whose colours come first."""

_WHITE = (255, 255, 255, 255)
_TRANSPARENT_MODES = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
_switching = threading.Lock()
_switched: list[bool] = []
"""An entry for each block that refuses damaged files now; the first is how the switch was before all of them."""


class PictureError(ValueError):
    """There is no picture that could be shown to a model; the message says why."""


@contextmanager
def refuse_damaged_files() -> Iterator[None]:
    """Let Pillow refuse a file that is cut off; lmms-eval tells it to fill the rest with grey and say nothing.

    The switch is one for the whole process, so of several threads the last one to leave puts it back.
    """
    with _switching:
        _switched.append(ImageFile.LOAD_TRUNCATED_IMAGES)
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        with _switching:
            before = _switched.pop()
            if not _switched:
                ImageFile.LOAD_TRUNCATED_IMAGES = before


def as_rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB; transparency is laid on white, 16 bits and floats are scaled to 8.

    Raises:
        OSError: the file behind the picture cannot be decoded.
        ValueError: Pillow cannot convert the mode.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        image.load()
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _from_numbers(image)
    if image.mode in _TRANSPARENT_MODES or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, _WHITE), layer).convert("RGB")
    return image.convert("RGB")


def draw_frame(image: Image.Image, box_px: Sequence[float], colour: tuple[int, int, int]) -> None:
    """Draw a frame around a box into an RGB picture, outside of the box as far as there is room."""
    x1, y1, x2, y2 = pixel_box(box_px, *image.size)
    line = max(2, round(max(image.size) / 256))
    frame = (
        max(0, x1 - line),
        max(0, y1 - line),
        min(image.width, x2 + line) - 1,
        min(image.height, y2 + line) - 1,
    )
    ImageDraw.Draw(image).rectangle(frame, outline=colour, width=line)


def pixels_digest(rgb: Image.Image) -> str:
    """SHA-256 over size and pixels: the same for copies in another lossless format."""
    digest = hashlib.sha256(json.dumps(rgb.size).encode())
    digest.update(rgb.tobytes())
    return digest.hexdigest()


def with_sides_in_range(image: Image.Image) -> Image.Image:
    """The picture, stretched where a processor could not take it: a side too thin, or too small.

    It is stretched and not padded so that boxes relative to width and height stay what they are.
    """
    size = sides_in_range(image.size)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def sides_in_range(size: Size) -> Size:
    """The size that ``with_sides_in_range`` gives a picture of this one.

    >>> sides_in_range((4, 900)), sides_in_range((640, 480))
    ((5, 900), (640, 480))
    """
    width, height = size
    thinnest = -(-max(width, height) // LARGEST_RATIO)
    width, height = max(width, thinnest), max(height, thinnest)
    times = -(-SMALLEST_SIDE // min(width, height))
    return width * times, height * times


def ratio_in_range(size: Size) -> bool:
    """Whether no side is longer than ``LARGEST_RATIO`` times the other."""
    return max(size) <= LARGEST_RATIO * min(size)


def _from_numbers(image: Image.Image) -> Image.Image:
    """Grey values of more than 8 bits: 0 to 65535, floats 0 to 1, or 8-bit values in a wide mode."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    if image.mode == "F":
        scale = 255.0 if values.max() <= 1 else 1.0
    else:
        scale = 1.0 if image.mode == "I" and values.max() <= 255 else 255 / 65535
    grey = np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
