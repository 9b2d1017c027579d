"""Painting of pieces as pixels: outlined cartoon or shaded render, with the planted flaws of light and surface.

Everything that touches a pixel is integer arithmetic, and corners are snapped to an eighth of a pixel before
they are filled, so that the same plan gives the same bytes wherever the same Pillow runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from qreal_tasks.mini.drawing.shapes import HOLE, Piece, Shape, Text, make_points
from qreal_tasks.mini.drawing.surface import Pixels, colour_surface
from qreal_tasks.mini.figures.colours import INK
from qreal_tasks.mini.figures.lettering import CAPITAL, FONT
from qreal_tasks.mini.plan import EntityPlan

SIZE = 224
"""Width and height of a stored image, px."""
OVERSAMPLE = 2
_MARGIN = 64
"""Drawn beyond each edge, so that light on a figure cut by the edge looks as if it went on."""
_SPAN = SIZE * OVERSAMPLE + 2 * _MARGIN


@dataclass
class Layer:
    """One entity on a transparent ground, oversampled and with the margin."""

    colour: NDArray[np.uint8]
    """Shape (_SPAN, _SPAN, 3)."""
    mask: NDArray[np.bool_]

    def inner(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Colour and mask without the margin."""
        cut = slice(_MARGIN, _SPAN - _MARGIN)
        return self.colour[cut, cut], self.mask[cut, cut]


@dataclass(frozen=True)
class Placement:
    """Where a figure goes: the px (of the stored image) of its origin, and px per figure unit."""

    x: float
    y: float
    scale: float


def paint(pieces: list[Piece], at: Placement, plan: EntityPlan) -> Layer:
    """Draw one entity, back to front."""
    layer = Layer(np.zeros((_SPAN, _SPAN, 3), np.uint8), np.zeros((_SPAN, _SPAN), np.bool_))
    for piece in pieces:
        if isinstance(piece, Text):
            _write(layer, piece, at)
        else:
            _fill(layer, piece, at, plan)
    _light_flaw(layer, plan)
    return layer


def _to_px(points: NDArray[np.float64], at: Placement) -> NDArray[np.float64]:
    """Figure units to px of the layer, snapped to eighths."""
    px = (points * at.scale + make_points((at.x, at.y))) * OVERSAMPLE + _MARGIN
    return np.asarray(np.round(px * 8) / 8)


@dataclass(frozen=True)
class _Window:
    """The part of the layer that a shape can change."""

    x: int
    y: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


def _window(px: NDArray[np.float64], pad: int) -> _Window | None:
    """The bounding box of the points, padded and clipped; None when nothing of it is on the layer."""
    x1, y1 = np.maximum(np.floor(px.min(axis=0)).astype(int) - pad, 0)
    x2, y2 = np.minimum(np.ceil(px.max(axis=0)).astype(int) + pad + 1, _SPAN)
    return _Window(int(x1), int(y1), int(x2 - x1), int(y2 - y1)) if x2 > x1 and y2 > y1 else None


def _fill(layer: Layer, shape: Shape, at: Placement, plan: EntityPlan) -> None:
    """One polygon: area with material and light, then its contour if it is a cartoon."""
    px = _to_px(shape.points, at)
    thickness = 3 if at.scale < 140 else 4
    window = _window(px, 4)
    if window is None:
        return
    local = [(x - window.x, y - window.y) for x, y in px.tolist()]
    area = Image.new("L", (window.width, window.height))
    ImageDraw.Draw(area).polygon(local, fill=255)
    inside = np.asarray(area) > 0
    colour: Pixels = np.array(shape.colour, np.int32)[None]
    if shape.material is not None and shape.shaded:
        y, x = (one.astype(np.int32) for one in np.nonzero(inside))
        cell = max(int(at.scale * OVERSAMPLE * 0.075), 9)
        colour = colour_surface(shape.material, shape.colour, x + window.x, y + window.y, cell)
    if shape.shaded and not plan.has("flat"):
        colour = _lit(colour, area, inside, rendered=plan.rendered)
    rows, columns = window.slices
    layer.colour[rows, columns][inside] = colour
    layer.mask[rows, columns][inside] = shape.tag != HOLE
    if shape.outlined and not plan.rendered:
        contour = Image.new("L", (window.width, window.height))
        ImageDraw.Draw(contour).line([*local, local[0], local[1]], fill=255, width=thickness, joint="curve")
        line = np.asarray(contour) > 0
        layer.colour[rows, columns][line] = INK
        layer.mask[rows, columns] |= line


def _lit(colour: Pixels, area: Image.Image, inside: NDArray[np.bool_], *, rendered: bool) -> Pixels:
    """Light from the upper left on a shape that bulges towards the viewer.

    The blurred area serves as height; its slope tells how a surface element is turned. A render uses it as
    it is, a cartoon in three steps.

    Args:
        colour: of each pixel inside, or one for all; shape (pixels, 3) or (1, 3).
        area: 255 inside.
    """
    edges = (inside[1:] != inside[:-1], inside[:, 1:] != inside[:, :-1])
    rim = sum(int(np.count_nonzero(one)) for one in edges)
    radius = int(np.clip(int(np.count_nonzero(inside)) * 5 // max(4 * rim, 1), 2, 18))
    blurred = np.asarray(area.filter(ImageFilter.GaussianBlur(radius)))
    height = np.pad(blurred.astype(np.int16), 1, mode="edge")
    slope = (height[1:-1, 2:] - height[1:-1, :-2]) + (height[2:, 1:-1] - height[:-2, 1:-1])
    light = slope[inside].astype(np.int32) * radius // 2
    if rendered:
        edge = np.clip(255 - blurred[inside].astype(np.int32), 0, 128)
        factor = 262 + np.clip(light, -120, 84) - edge // 3
        shine: Any = np.clip(light - 70, 0, 60)[:, None] // 4 * 2
    else:
        factor = np.where(light < -46, 196, np.where(light > 60, 286, 256))
        shine = 0
    return np.asarray(np.clip(colour * (factor // 6 * 6)[:, None] // 256 + shine, 0, 255))


def _write(layer: Layer, piece: Text, at: Placement) -> None:
    """A line of text, turned if need be; edges blend with what is below."""
    capital = piece.height * at.scale * OVERSAMPLE
    font = FONT.font_variant(size=max(int(capital / CAPITAL), 6))
    left, top, right, bottom = (round(v) for v in font.getbbox(piece.text))
    ink = Image.new("L", (right - left + 4, bottom - top + 4))
    ImageDraw.Draw(ink).text((2 - left, 2 - top), piece.text, fill=255, font=font, stroke_width=1, stroke_fill=255)
    if piece.degrees:
        ink = ink.rotate(-piece.degrees, resample=Image.Resampling.BILINEAR, expand=True)
    x, y = _to_px(piece.centre[None], at)[0]
    corner_x, corner_y = round(x - ink.width / 2), round(y - ink.height / 2)
    if min(corner_x, corner_y) < 0 or corner_x + ink.width > _SPAN or corner_y + ink.height > _SPAN:
        raise ValueError(f"text {piece.text!r} does not fit on the layer at {corner_x}, {corner_y}")
    view = layer.colour[corner_y : corner_y + ink.height, corner_x : corner_x + ink.width]
    strength = np.asarray(ink, np.int32)[..., None]
    view[:] = (view.astype(np.int32) * (255 - strength) + np.array(piece.colour, np.int32) * strength) // 255
    layer.mask[corner_y : corner_y + ink.height, corner_x : corner_x + ink.width] |= strength[..., 0] > 127


def _light_flaw(layer: Layer, plan: EntityPlan) -> None:
    """Change the finished entity's colours when its light is to be unnatural."""
    if not (plan.has("grey") or plan.has("neon_light")):
        return
    where: tuple[NDArray[Any], ...] = np.nonzero(layer.mask)
    if not len(where[0]):
        return
    colour = layer.colour[where].astype(np.int32)
    grey = (colour @ np.array([77, 150, 29]))[:, None] // 256
    if plan.has("grey"):
        layer.colour[where] = grey
    else:
        x1, x2 = int(where[1].min()), int(where[1].max())
        across = (where[1][:, None] - x1) * 256 // max(x2 - x1, 1)
        across = np.clip((across - 128) * 2 + 128, 0, 256)
        tint = (np.array([255, 32, 208]) * (256 - across) + np.array([24, 232, 255]) * across) // 256
        layer.colour[where] = np.clip((tint * (grey + 70) // 256 * 3 + colour) // 4, 0, 255)
