"""Text that fits its panel."""

from __future__ import annotations

from PIL import ImageFont

from qreal_tasks.mini.drawing.shapes import Rgb, Text, make_points
from qreal_tasks.mini.figures.colours import INK

FONT_SIZE = 40


def _embedded_font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(FONT_SIZE)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType; install a wheel from PyPI")
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)


FONT = _embedded_font()
"""Pillow's embedded font. The basic layout, because the other one depends on a library of the system."""
CAPITAL = 0.71
"""Height of a capital letter, per font size."""


def lettering(
    text: str, x: float, y: float, width: float, height: float, colour: Rgb = INK, degrees: float = 0.0
) -> Text:
    """Text around (x, y), as large as ``width`` and the height of a capital letter allow; figure units."""
    per_capital = (FONT.getlength(text) + 2) / (FONT_SIZE * CAPITAL)
    return Text(make_points((x, y))[0], min(height, width / per_capital), text, colour, degrees)
