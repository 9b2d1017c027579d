"""Small pictures for the pages of a screening run: one file for every picture that differs in its pixels.

save_thumbnail(out, pixels, image)  # OUT/thumbnails/4f/4f0c….jpg
"""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

from qreal_tasks.files.atomic import write_whole
from qreal_tasks.pages.pictures import encode_jpeg

THUMBNAILS = "thumbnails"
"""Their folder in that of the run."""
SIDE_PX = 320
_QUALITY = 80
_DIGEST = re.compile(r"[0-9a-f]{64}")


def make_thumbnail(image: Image.Image) -> bytes:
    """The picture as a JPEG of at most ``SIDE_PX`` a side; the same pixels give the same bytes.

    Args:
        image: RGB, as the model was shown it; is not changed.
    """
    return encode_jpeg(image, SIDE_PX, _QUALITY)


def thumbnail_path(out: Path, pixels: str) -> Path:
    """Where a thumbnail lies: a million of them are spread over 256 folders.

    Args:
        out: folder of the run.
        pixels: SHA-256 of the picture's pixels and size (``images.pixels_digest``).

    Raises:
        ValueError: that is no SHA-256, so it names no file.

    >>> thumbnail_path(Path("OUT"), "4f" * 32).relative_to("OUT/thumbnails").parts[0]
    '4f'
    """
    if not _DIGEST.fullmatch(pixels):
        raise ValueError(f"found {pixels!r:.80}, expected a SHA-256 in hexadecimal")
    return out / THUMBNAILS / pixels[:2] / f"{pixels}.jpg"


def save_thumbnail(out: Path, pixels: str, image: Image.Image) -> None:
    """Write a picture's thumbnail, unless there is one; arguments as ``thumbnail_path`` and ``make_thumbnail``.

    Raises:
        OSError: it cannot be written.
    """
    path = thumbnail_path(out, pixels)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, make_thumbnail(image))
