"""Pictures as data URLs: lossless unless asked otherwise, and encoded once however many questions are asked of one."""

from __future__ import annotations

import asyncio
import base64
import io
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from PIL import Image

from qreal_tasks.images import Size
from qreal_tasks.models.requests import Request

ImageFormat = Literal["png", "jpeg"]
JPEG_QUALITY = 95

_PNG_MODES = {"1", "L", "LA", "RGB", "RGBA"}


class UnsendableImage(ValueError):  # noqa: N818
    """The picture cannot be encoded; the message says why."""


def data_url(image: Image.Image, image_format: ImageFormat = "png", size: Size | None = None) -> str:
    """``data:image/png;base64,…`` of the pixels alone: no profile, text or orientation of the file goes along.

    PNG keeps every 8-bit pixel. 16-bit grey is brought to 8 bits, and CMYK, YCbCr, LAB and HSV to RGB, which
    servers do not take. JPEG is quality 95 without chroma subsampling, its alpha dropped.

    Args:
        size: width and height to send it in; default its own.

    Raises:
        UnsendableImage: a mode with no defined range (``F``), or a file that Pillow cannot read to its end.
    """
    out = io.BytesIO()
    try:
        plain = eight_bits(image)
        if size is not None and size != plain.size:
            plain = plain.convert("L" if plain.mode == "1" else plain.mode).resize(size, Image.Resampling.BICUBIC)
        if image_format == "jpeg":
            plain.convert("RGB").save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        else:
            # Level 1 takes a third of the time of the default for files about a tenth larger.
            plain.save(out, "PNG", compress_level=1, icc_profile=b"")
    except (OSError, ValueError, SyntaxError) as error:
        raise UnsendableImage(f"image cannot be sent: {error}") from error
    return f"data:image/{image_format};base64,{base64.b64encode(out.getbuffer()).decode()}"


def eight_bits(image: Image.Image) -> Image.Image:
    """The picture in a mode that PNG and servers take: 16-bit grey scaled to 8, palettes, CMYK and the like to RGB.

    Raises:
        ValueError: a mode with no defined range of values.
    """
    if image.mode == "P" or "transparency" in image.info:
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in _PNG_MODES:
        return image
    if image.mode.startswith("I"):
        low, high = image.getextrema()
        if not 0 <= float(low) <= float(high) <= 65535:  # type: ignore[arg-type]
            raise ValueError(f"mode {image.mode} with values {low} to {high}, expected 0 to 65535")
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode == "F":
        raise ValueError("mode F has no defined range of values")
    return image.convert("RGB")


class Pictures:
    """Data URLs of the pictures of a run, kept only while questions about them are left.

    Args:
        sent: the size to send a picture of a size in.
    """

    def __init__(
        self, requests: Sequence[Request], image_format: ImageFormat, sent: Callable[[Size], Size] = lambda size: size
    ) -> None:
        self._format, self._sent = image_format, sent
        self._left = Counter(id(request.image) for request in requests)
        self._urls: dict[int, asyncio.Task[str]] = {}

    async def url(self, image: Image.Image) -> str:
        """The data URL, encoded in a worker thread the first time."""
        if id(image) not in self._urls:
            self._urls[id(image)] = asyncio.create_task(asyncio.to_thread(self._encoded, image))
        return await self._urls[id(image)]

    def _encoded(self, image: Image.Image) -> str:
        return data_url(image, self._format, self._sent(image.size))

    def done(self, image: Image.Image) -> None:
        """One question about ``image`` is answered."""
        self._left[id(image)] -= 1
        if not self._left[id(image)]:
            self._urls.pop(id(image), None)


def by_picture(requests: Sequence[Request]) -> list[int]:
    """Indices, questions about one picture side by side, pictures in order of their first question."""
    first: dict[int, int] = {}
    return sorted(range(len(requests)), key=lambda at: first.setdefault(id(requests[at].image), at))
