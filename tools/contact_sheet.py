"""A contact sheet: images of a drawn set with their boxes and answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from qreal_tasks.benchmark import ANSWERS, question
from qreal_tasks.mini.figures.lettering import FONT
from qreal_tasks.mini.read import decode_pixels, read_drawn_rows

_COLOURS = {
    (False, False): ("no issue", (40, 152, 72)),
    (True, False): ("realism", (146, 106, 0)),
    (False, True): ("plausibility", (36, 100, 216)),
    (True, True): ("realism and plausibility", (208, 36, 72)),
}
"""Name and colour by whether the entity is flawed in realism and in plausibility."""
_SHORT = {
    "realism_q1": "drawn",
    "realism_q2": "look",
    "plausibility_q1": "limbs",
    "plausibility_q2": "odd",
    "plausibility_q3": "material",
    "plausibility_q4": "text",
}
_TILE, _CAPTION, _GAP, _SCALE = 224, 46, 8, 2
"""Lengths in px of the stored image; the sheet is drawn larger by ``_SCALE``."""
_SMALL = FONT.font_variant(size=20)


def draw_contact_sheet(folder: Path, path: Path, columns: int = 4, images: int = 12, split: str = "test") -> None:
    """Save a PNG that shows some images of a drawn set.

    Args:
        folder: the dataset in hub layout.
        path: of the PNG.
        columns: images side by side.
        images: how many; spread evenly over the split.
        split: ``train`` or ``test``.
    """
    rows = read_drawn_rows(folder, "imageqa", split)
    shown = [rows[at * len(rows) // images] for at in range(images)] if images < len(rows) else rows
    high = -(-len(shown) // columns)
    size = (columns * (_TILE + _GAP) + _GAP, high * (_TILE + _CAPTION + _GAP) + _GAP + 20)
    sheet = Image.new("RGB", (size[0] * _SCALE, size[1] * _SCALE), "white")
    for at, row in enumerate(shown):
        x = _GAP + at % columns * (_TILE + _GAP)
        y = _GAP + at // columns * (_TILE + _CAPTION + _GAP)
        sheet.paste(_tile(row), (x * _SCALE, y * _SCALE))
    _legend(ImageDraw.Draw(sheet), (size[1] - 20) * _SCALE)
    sheet.save(path, "PNG", optimize=True)


def _flawed(entity: Mapping[str, Any]) -> tuple[bool, bool]:
    return entity["realism_flawed"], entity["plausibility_flawed"]


def _tile(row: Mapping[str, Any]) -> Image.Image:
    """One image with its boxes, and a line of caption for each entity."""
    picture = Image.fromarray(decode_pixels(row))
    tile = Image.new("RGB", (_TILE * _SCALE, (_TILE + _CAPTION) * _SCALE), "white")
    tile.paste(picture.resize((_TILE * _SCALE, _TILE * _SCALE), Image.Resampling.NEAREST), (0, 0))
    draw = ImageDraw.Draw(tile)
    for at, entity in enumerate(row["entities"]):
        colour = _COLOURS[_flawed(entity)][1]
        x1, y1, x2, y2 = (round(v) * _SCALE for v in entity["bbox"])
        draw.rectangle((x1, y1, x2 - 1, y2 - 1), outline=colour, width=3)
        draw.text((2, _TILE * _SCALE + 2 + at * 28), _caption(entity), fill=colour, font=_SMALL)
    return tile


def _caption(entity: Mapping[str, Any]) -> str:
    """The entity's name and what is wrong with it."""
    wrong = [short for name, short in _SHORT.items() if ANSWERS[entity[name]] == question(name).defect]
    return f"{entity['label']}: {', '.join(wrong) or 'no issue'}"


def _legend(draw: ImageDraw.ImageDraw, y: int) -> None:
    """What the colours of the boxes mean."""
    x = _GAP * _SCALE
    for name, colour in _COLOURS.values():
        draw.rectangle((x, y + 4, x + 24, y + 24), outline=colour, width=5)
        draw.text((x + 34, y + 1), name, fill="black", font=_SMALL)
        x += 60 + round(_SMALL.getlength(name))
