"""Backdrops: what is behind the entities. Kept smooth: it must not distract, and it has to compress well."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from qreal_tasks.mini.drawing.paint import OVERSAMPLE, SIZE
from qreal_tasks.mini.drawing.shapes import Rgb

_SPAN = SIZE * OVERSAMPLE
_HORIZON = 0.62
"""Share of the image's height."""

_SKIES: tuple[tuple[Rgb, Rgb], ...] = (
    ((120, 176, 228), (204, 228, 240)),
    ((148, 196, 224), (244, 228, 204)),
    ((164, 184, 204), (220, 224, 224)),
)
_GROUNDS: dict[str, tuple[Rgb, Rgb]] = {
    "meadow": ((128, 176, 96), (92, 148, 72)),
    "street": ((168, 164, 160), (136, 134, 134)),
    "beach": ((232, 212, 164), (212, 184, 132)),
    "room": ((188, 148, 108), (160, 120, 84)),
    "desert": ((228, 184, 124), (200, 148, 92)),
    "table": ((184, 132, 84), (156, 104, 64)),
    "snow": ((240, 244, 248), (212, 224, 236)),
}


def draw_backdrop(place: str, rng: random.Random, *, rendered: bool) -> NDArray[np.uint8]:
    """Sky or wall, something at the horizon, ground; shape (448, 448, 3).

    Args:
        place: one of ``prompts.PLACES``.
        rng: for colours and shapes.
        rendered: with gradients; a cartoon's areas are even.
    """
    canvas = Image.new("RGB", (_SPAN, _SPAN))
    horizon = round(_SPAN * _HORIZON)
    walls: tuple[tuple[Rgb, Rgb], ...] = (
        ((224, 212, 188), (204, 190, 164)),
        ((188, 208, 200), (166, 188, 180)),
    )
    _gradient(canvas, 0, horizon, *rng.choice(walls if place in ("room", "table") else _SKIES), even=not rendered)
    _SCENERY[place](ImageDraw.Draw(canvas), horizon, rng)
    _gradient(canvas, horizon, _SPAN, *_GROUNDS[place], even=not rendered)
    if place == "street":
        ImageDraw.Draw(canvas).rectangle((0, horizon, _SPAN, horizon + 8), fill=(196, 192, 186))
    return np.array(canvas)


def _gradient(canvas: Image.Image, top: int, bottom: int, upper: Rgb, lower: Rgb, *, even: bool) -> None:
    """Fill rows ``top`` to ``bottom``; changes only every fourth row."""
    draw = ImageDraw.Draw(canvas)
    for y in range(top, bottom, 4):
        share = 128 if even else 256 * (y - top) // max(bottom - top, 1)
        colour = tuple((u * (256 - share) + v * share) // 256 for u, v in zip(upper, lower, strict=True))
        draw.rectangle((0, y, _SPAN, min(y + 3, bottom - 1)), fill=colour)


def _hills(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random, colours: Sequence[Rgb]) -> None:
    """Two rounded ridges."""
    for depth, colour in enumerate(colours):
        for _ in range(3):
            x, width = rng.randrange(_SPAN), rng.randrange(200, 360)
            rise = rng.randrange(50, 90) - 25 * depth
            draw.ellipse((x - width, horizon - rise, x + width, horizon + rise), fill=colour)


def _meadow(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    _clouds(draw, rng)
    _hills(draw, horizon, rng, ((148, 184, 152), (116, 164, 108)))


def _desert(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    x = rng.randrange(60, _SPAN - 60)
    draw.ellipse((x - 26, 40, x + 26, 92), fill=(252, 240, 188))
    _hills(draw, horizon, rng, ((224, 172, 120), (212, 160, 104)))


def _snow(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    _hills(draw, horizon, rng, ((200, 212, 228), (224, 232, 240)))
    for x in range(20, _SPAN, 62):
        at, high = x + rng.randrange(-14, 14), rng.randrange(40, 76)
        draw.polygon(((at, horizon - high), (at - 20, horizon), (at + 20, horizon)), fill=(108, 140, 132))


def _clouds(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 4)):
        x, y = rng.randrange(_SPAN), rng.randrange(24, 110)
        for dx, dy, r in ((-30, 4, 18), (0, -4, 26), (30, 4, 20)):
            draw.ellipse((x + dx - r, y + dy - r * 2 // 3, x + dx + r, y + dy + r * 2 // 3), fill=(244, 248, 250))


def _street(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    x = -rng.randrange(40)
    while x < _SPAN:
        width, high = rng.randrange(64, 116), rng.randrange(90, 210)
        wall = rng.choice(((176, 148, 132), (188, 176, 160), (156, 164, 172), (200, 172, 140)))
        draw.rectangle((x, horizon - high, x + width, horizon), fill=wall)
        for wy in range(horizon - high + 16, horizon - 28, 36):
            for wx in range(x + 12, x + width - 16, 28):
                draw.rectangle((wx, wy, wx + 13, wy + 18), fill=(208, 220, 224))
        x += width + 4


def _beach(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    _clouds(draw, rng)
    draw.rectangle((0, horizon - 56, _SPAN, horizon), fill=(88, 152, 184))
    draw.rectangle((0, horizon - 8, _SPAN, horizon), fill=(196, 220, 220))
    x = rng.randrange(60, _SPAN - 60)
    draw.polygon(((x, horizon - 110), (x, horizon - 64), (x + 28, horizon - 64)), fill=(244, 244, 240))
    draw.polygon(
        ((x - 26, horizon - 60), (x + 34, horizon - 60), (x + 22, horizon - 48), (x - 16, horizon - 48)),
        fill=(148, 88, 64),
    )


def _room(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    draw.rectangle((0, horizon - 14, _SPAN, horizon), fill=(240, 234, 222))
    x = rng.randrange(30, _SPAN - 170)
    draw.rectangle((x, 40, x + 130, 170), fill=(244, 240, 232))
    draw.rectangle((x + 8, 48, x + 122, 162), fill=(176, 212, 236))
    draw.rectangle((x + 62, 48, x + 68, 162), fill=(244, 240, 232))
    draw.rectangle((x + 8, 102, x + 122, 108), fill=(244, 240, 232))


def _table(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    """A tiled kitchen wall with a shelf."""
    for y in range(horizon - 150, horizon, 30):
        draw.line((0, y, _SPAN, y), fill=(232, 228, 216), width=2)
    y = rng.randrange(50, 80)
    draw.rectangle((40, y, _SPAN - 40, y + 10), fill=(148, 104, 72))
    for x in range(70, _SPAN - 80, 66):
        high, colour = rng.randrange(22, 44), rng.choice(((176, 92, 76), (104, 140, 148), (212, 184, 116)))
        draw.rectangle((x, y - high, x + 30, y - 1), fill=colour)


_SCENERY = {
    "table": _table,
    "meadow": _meadow,
    "street": _street,
    "beach": _beach,
    "room": _room,
    "desert": _desert,
    "snow": _snow,
}
