"""Pictures within a page."""

from __future__ import annotations

import base64
import io

from PIL import Image


def encode_jpeg(image: Image.Image, side_px: int, quality: int) -> bytes:
    """A JPEG of at most ``side_px`` a side; a smaller picture keeps its size. The same pixels give the same bytes.

    Args:
        image: RGB; is not changed.
        quality: as Pillow takes it, 0 to 95.
    """
    shrunk = Image.new(image.mode, image.size)  # a copy would take along what the file says beside its pixels
    shrunk.paste(image)
    shrunk.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    shrunk.save(out, "JPEG", quality=quality)
    return out.getvalue()


def encode_data_url(image: Image.Image, side_px: int, quality: int) -> str:
    """A JPEG as a ``data:`` address; arguments as ``encode_jpeg``."""
    return as_data_url(encode_jpeg(image, side_px, quality))


def as_data_url(jpeg: bytes) -> str:
    """A file in JPEG as a ``data:`` address."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
