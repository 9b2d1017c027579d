"""Drawing of one image: backdrop, shadows, entities; and where each entity is, read off its own pixels."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from qreal_tasks.mini.drawing.backdrop import draw_backdrop
from qreal_tasks.mini.drawing.paint import OVERSAMPLE, SIZE, Layer, Placement, paint
from qreal_tasks.mini.drawing.shapes import Piece, measure_extent
from qreal_tasks.mini.figures import draw_figure
from qreal_tasks.mini.plan import EntityPlan, ImagePlan

Box = tuple[int, int, int, int]
"""x1, y1, x2, y2 in px of the stored image; x2 and y2 are exclusive."""

_RELATIVE_SIZE = {
    "fruit": 0.8,
    "mug": 1.0,
    "animal": 1.15,
    "plant": 0.8,
    "chair": 0.75,
    "boy": 0.85,
    "girl": 0.85,
}
"""Size by label or figure. Chosen so that what stands together looks right and nothing is too small to judge."""
_EDGE = 5
"""Free px between an entity and the edge of the image."""
_WAIST_Y = -0.37
"""Where a half-length portrait is cut, figure units."""


@dataclass(frozen=True)
class DrawnScene:
    """A finished image with a tight box for each entity of its plan."""

    pixels: NDArray[np.uint8]
    """Shape (224, 224, 3)."""
    boxes_px: tuple[Box, ...]


def draw_scene(plan: ImagePlan) -> DrawnScene:
    """Draw a planned image."""
    rng = random.Random(f"{plan.seed}/scene")
    rendered = 2 * sum(entity.rendered for entity in plan.entities) >= len(plan.entities)
    canvas = draw_backdrop(plan.prompt.place, rng, rendered=rendered)
    figures = [draw_figure(entity) for entity in plan.entities]
    if plan.prompt.framing == "half":
        places = [_place_portrait(figures[0])]
    else:
        places = _place_in_row(plan, figures, rng)
        canvas = _cast_shadows(canvas, figures, places)
    layers = [paint(f, at, entity) for f, at, entity in zip(figures, places, plan.entities, strict=True)]
    return _composed(canvas, layers, plan.entities, rng)


def _place_portrait(figure: Sequence[Piece]) -> Placement:
    """Place a portrait as large as the picture allows, cut at the waist."""
    x1, y1, x2, _ = measure_extent(figure)
    scale = min((SIZE - 2 * _EDGE) / (x2 - x1), (SIZE - 8) / (_WAIST_Y - y1), 330.0)
    return Placement(SIZE / 2 - scale * (x1 + x2) / 2, SIZE - scale * _WAIST_Y, scale)


def _place_in_row(plan: ImagePlan, figures: Sequence[Sequence[Piece]], rng: random.Random) -> list[Placement]:
    """Side by side without overlap, on ground lines of slightly different depth."""
    sizes = [_RELATIVE_SIZE.get(entity.label, _RELATIVE_SIZE.get(entity.figure, 1.0)) for entity in plan.entities]
    extents = [measure_extent(figure) * size for figure, size in zip(figures, sizes, strict=True)]
    widths = [float(e[2] - e[0]) for e in extents]
    highest = max(-float(e[1]) for e in extents)
    lines = [SIZE - rng.uniform(10, 24) for _ in figures]
    room = SIZE - 2 * _EDGE - 6 * (len(figures) - 1)
    share = 1.0 if plan.is_portrait else rng.uniform(0.86, 1.0)
    unit = share * min(room / sum(widths), (min(lines) - _EDGE) / highest)
    gap = (room - unit * sum(widths)) / (len(figures) + 1)
    placements, x = [], _EDGE + gap
    for e, width, size, y in zip(extents, widths, sizes, lines, strict=True):
        placements.append(Placement(x - unit * float(e[0]), y, unit * size))
        x += unit * width + gap + 6
    return placements


def _cast_shadows(
    canvas: NDArray[np.uint8], figures: Sequence[Sequence[Piece]], places: Sequence[Placement]
) -> NDArray[np.uint8]:
    """A soft dark spot on the ground below each figure, wherever the figure itself is."""
    shade = Image.new("L", (canvas.shape[1], canvas.shape[0]))
    draw = ImageDraw.Draw(shade)
    for figure, at in zip(figures, places, strict=True):
        x1, _, x2, _ = measure_extent(figure) * at.scale
        x, y = (at.x + (x1 + x2) / 2) * OVERSAMPLE, at.y * OVERSAMPLE
        rx = min((x2 - x1) * 0.42 * OVERSAMPLE, 150.0)
        draw.ellipse((round(x - rx), round(y - 11), round(x + rx), round(y + 9)), fill=150)
    strength = np.asarray(shade.filter(ImageFilter.GaussianBlur(4))).astype(np.int32) // 8 * 8
    rows = np.nonzero(strength.any(axis=1))[0]
    if len(rows):
        dark = slice(rows[0], rows[-1] + 1)
        canvas[dark] = canvas[dark] * (320 - strength[dark])[..., None] // 320
    return canvas


def _composed(
    canvas: NDArray[np.uint8], layers: Sequence[Layer], entities: Sequence[EntityPlan], rng: random.Random
) -> DrawnScene:
    """Lay the entities on the canvas, reduce, add the grain of renders, and measure the boxes."""
    visible = np.zeros(canvas.shape[:2], np.uint8)
    for at, layer in enumerate(layers, start=1):
        colour, mask = layer.inner()
        canvas[mask] = colour[mask]
        visible[mask] = at
    pixels = (_block_sums(canvas) // OVERSAMPLE**2).astype(np.int16)
    grain = np.random.Generator(np.random.PCG64(rng.getrandbits(63)))
    boxes = []
    for at, entity in enumerate(entities, start=1):
        cover = _block_sums((visible == at).view(np.uint8))
        rows, columns = np.nonzero(cover.any(axis=1))[0], np.nonzero(cover.any(axis=0))[0]
        boxes.append((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
        if entity.rendered:
            noise = grain.integers(0, 20, (SIZE, SIZE, 1))
            speckle = np.where(noise == 0, -10, np.where(noise == 1, 10, 0))
            pixels += np.where((cover == OVERSAMPLE**2)[..., None], speckle, 0).astype(np.int16)
    # Sixty-four steps a channel look the same and make the file a third smaller.
    return DrawnScene((np.clip(pixels, 0, 255) // 4 * 4 + 2).astype(np.uint8), tuple(boxes))


def _block_sums(values: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Sums over blocks of ``OVERSAMPLE`` x ``OVERSAMPLE``; a sum over reshaped axes is ten times slower."""
    steps = range(OVERSAMPLE)
    total = np.zeros((values.shape[0] // OVERSAMPLE, values.shape[1] // OVERSAMPLE, *values.shape[2:]), np.uint16)
    for dy in steps:
        for dx in steps:
            total += values[dy::OVERSAMPLE, dx::OVERSAMPLE]
    return total


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """The pixels as a lossless PNG; level 7 is as small as higher ones here and several times faster."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=7)
    return buffer.getvalue()
