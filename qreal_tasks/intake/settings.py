"""Which pictures are taken in, and what the columns of a table are called."""

from __future__ import annotations

from pydantic import Field

from qreal_tasks.files.settings import Settings


class ColumnNames(Settings):
    """Names of the columns of a table or hub set, in any case; a name that the source lacks counts as not given.

    Where there is no ``image``, ``file_name`` holds the pictures, and without ``prompt``, ``text`` or ``caption`` does.
    """

    image: str = "image"
    prompt: str = "prompt"
    generator: str = "generator"
    prompt_id: str = "prompt_id"


class IntakeSettings(Settings):
    """Which files intake takes."""

    columns: ColumnNames = ColumnNames()
    split: str = "train"
    """Which split of a hub set is taken; also several (``train+test``), or ``all`` of them."""
    min_side_px: int = Field(default=32, ge=1)
    max_pixels: int = Field(default=50_000_000, ge=1, le=178_956_970)
    """Width times height. The upper bound is where Pillow takes a file for an attack."""
