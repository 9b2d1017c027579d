"""Pictures within a page."""

from __future__ import annotations

import base64
import io

from PIL import Image


def encode_data_url(image: Image.Image, side_px: int, quality: int) -> str:
    """A JPEG of at most ``side_px`` a side as a ``data:`` address; a smaller picture keeps its size.

    Args:
        image: RGB; is not changed.
        quality: as Pillow takes it, 0 to 95.
    """
    shrunk = image.copy()
    shrunk.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    shrunk.save(out, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
