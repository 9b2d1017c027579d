"""Box coordinate spaces and the exact conversions between them."""

from __future__ import annotations

from enum import StrEnum


class Space(StrEnum):
    """The space in which a model writes ``[x1, y1, x2, y2]``. Declared by the model's family, never guessed."""

    PIXELS = "pixels"
    """Pixels of the stored image."""
    RESIZED_PIXELS = "resized_pixels"
    """Pixels of the image as the processor fed it to the model; needs the reported ``input_size``."""
    NORM1000 = "norm1000"
    """0 to 1000 over width and height."""
    UNIT = "unit"
    """0 to 1 over width and height."""
