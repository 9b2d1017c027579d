"""Box coordinate spaces and the exact conversions between them.

>>> to_pixels([[0.25, 0.5, 0.75, 1.0]], Space.UNIT, width=800, height=600).tolist()
[[200.0, 300.0, 600.0, 600.0]]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

Boxes = NDArray[np.float64]
"""Shape (n, 4): x1, y1, x2, y2 per row."""

UNIT_DECIMALS = 3
"""Digits of a box written in ``Space.UNIT``: half a pixel of error in an image of 1000 pixels."""

_LARGEST = float(np.finfo(np.float64).max)


class Space(StrEnum):
    """The space, and the order of corners, in which a model writes a box. Declared by the model's family, never
    guessed."""

    PIXELS = "pixels"
    """Pixels of the stored image."""
    RESIZED_PIXELS = "resized_pixels"
    """Pixels of the image as the processor fed it to the model; needs the reported ``input_size``."""
    NORM1000 = "norm1000"
    """0 to 1000 over width and height."""
    NORM1000_YX = "norm1000_yx"
    """0 to 1000 with y first, ``[y1, x1, y2, x2]``, as Gemini writes ``box_2d``."""
    UNIT = "unit"
    """0 to 1 over width and height."""


DEFAULT_BOX_SPACE = Space.NORM1000
"""What a model is asked to write when nobody declared its space. That is an assumption, and every report says so."""


def parse_space(text: str) -> Space:
    """The space that somebody names.

    Raises:
        ValueError: there is none of that name.
    """
    try:
        return Space(text.strip())
    except ValueError:
        raise ValueError(f"box space {text!r:.40}: expected one of {', '.join(Space)}") from None


@dataclass(frozen=True)
class Clipped:
    """Boxes cut to the image; row i of each field is row i of what was given."""

    boxes_px: Boxes
    was_outside: NDArray[np.bool_]
    """The box reached beyond the image and was changed."""
    has_area: NDArray[np.bool_]
    """x1 < x2 and y1 < y2 still hold; False also for a box with NaN."""


def to_pixels(
    boxes: ArrayLike, space: Space, width: int, height: int, input_size: tuple[int, int] | None = None
) -> Boxes:
    """Boxes in pixels of the stored image, unrounded and not clipped.

    ``x_px = x · width / extent``, with extent the width of ``space`` (y alike). Values that leave the range
    of a float saturate at its end instead of becoming infinite.

    Args:
        boxes: shape (n, 4) in ``space`` and its order; an empty list is (0, 4).
        space: the declared space of ``boxes``.
        width, height: of the stored image in pixels.
        input_size: width and height that the model was fed; only ``Space.RESIZED_PIXELS`` reads it.

    Raises:
        ValueError: the shape is not (n, 4), a size is not positive, or ``input_size`` is needed and missing.
    """
    scale = _pixels_per_unit(space, width, height, input_size)
    rows = transposed(boxes) if space is Space.NORM1000_YX else _rows(boxes)
    return _saturated(rows, scale)


def from_pixels(
    boxes_px: ArrayLike, space: Space, width: int, height: int, input_size: tuple[int, int] | None = None
) -> Boxes:
    """Boxes in ``space``, unrounded: the inverse of ``to_pixels``, with the same arguments and errors.

    >>> from_pixels([[200, 300, 600, 600]], Space.NORM1000, width=800, height=600).tolist()
    [[250.0, 500.0, 750.0, 1000.0]]
    """
    scale = _pixels_per_unit(space, width, height, input_size)
    boxes = _saturated(_rows(boxes_px), 1.0 / scale)
    return transposed(boxes) if space is Space.NORM1000_YX else boxes


def transposed(boxes: ArrayLike) -> Boxes:
    """The boxes with x and y changed over: ``[x1, y1, x2, y2]`` becomes ``[y1, x1, y2, x2]`` and the other way round.

    >>> transposed([[1, 2, 3, 4]]).tolist()
    [[2.0, 1.0, 4.0, 3.0]]

    Raises:
        ValueError: the shape is not (n, 4).
    """
    return _rows(boxes)[:, [1, 0, 3, 2]]


def as_written(
    boxes_px: ArrayLike, space: Space, width: int, height: int, input_size: tuple[int, int] | None = None
) -> list[list[int]] | list[list[float]]:
    """Boxes as a model of that space writes them: whole numbers, or three decimals in ``Space.UNIT``.

    They are cut to the image first. A side that rounding would close is opened outwards to whole steps, so that
    a written box is always a valid one and never more than a step from the exact one.

    >>> as_written([[200.4, 300, 600, 601]], Space.PIXELS, width=800, height=600)
    [[200, 300, 600, 600]]
    >>> as_written([[10.2, 0, 10.4, 600]], Space.UNIT, width=800, height=600)
    [[0.012, 0.0, 0.013, 1.0]]

    Raises:
        ValueError: as ``to_pixels``; or a box has no area inside the image (the message names its row).
    """
    clipped = clip_to_image(boxes_px, width, height)
    if not clipped.has_area.all():
        row = int(np.argmin(clipped.has_area))
        raise ValueError(
            f"box {row} has no area inside the image of {width} x {height} pixels: "
            f"{_rows(boxes_px)[row].tolist()}; expected x1 < x2 and y1 < y2, leave such boxes out"
        )
    steps_per_unit = 10**UNIT_DECIMALS if space is Space.UNIT else 1
    extent = _extent(space, width, height, input_size)
    last = np.rint(np.tile(extent, 2) * steps_per_unit)
    exact = from_pixels(clipped.boxes_px, space, width, height, input_size) * steps_per_unit
    steps = np.rint(exact)
    low, high = steps[:, :2], steps[:, 2:]
    closed = low >= high
    low[closed], high[closed] = np.floor(exact[:, :2] + 1e-9)[closed], np.ceil(exact[:, 2:] - 1e-9)[closed]
    closed = low >= high  # sides so close that their fractions round to one number
    at_end = closed & (low >= last[:2])
    low[at_end] -= 1
    high[closed & ~at_end] = low[closed & ~at_end] + 1
    if space is Space.UNIT:
        return [[round(value / steps_per_unit, UNIT_DECIMALS) for value in row] for row in steps.tolist()]
    return [[int(value) for value in row] for row in steps.tolist()]


def clip_to_image(boxes_px: ArrayLike, width: int, height: int) -> Clipped:
    """The boxes cut to [0, width] x [0, height], and which of them that changed or emptied.

    >>> clip_to_image([[-10, 20, 50, 60], [90, 0, 120, 9]], width=80, height=100).has_area.tolist()
    [True, False]

    Raises:
        ValueError: the shape is not (n, 4), or a size is not positive.
    """
    boxes = _rows(boxes_px)
    limit = np.tile(_size(width, height, "image"), 2)
    inside = np.clip(boxes, 0.0, limit)
    return Clipped(
        boxes_px=inside,
        was_outside=np.any((inside < boxes) | (inside > boxes), axis=1),
        has_area=(inside[:, 0] < inside[:, 2]) & (inside[:, 1] < inside[:, 3]),
    )


def percent_box(box_px: Sequence[float], width: int, height: int) -> tuple[float, float, float, float]:
    """The left and upper edge, the width and the height of a box, in percent of the image.

    >>> percent_box([10, 20, 30, 80], 100, 200)
    (10.0, 10.0, 20.0, 30.0)
    """
    x1, y1, x2, y2 = box_px
    return 100 * x1 / width, 100 * y1 / height, 100 * (x2 - x1) / width, 100 * (y2 - y1) / height


def pixel_box(box_px: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """The smallest box of whole pixels around the box, inside the image and with an area.

    >>> pixel_box([10.2, -3, 20.7, 99.5], 100, 80)
    (10, 0, 21, 80)
    """
    x1, y1, x2, y2 = box_px
    left, top = min(max(0, math.floor(x1)), width - 1), min(max(0, math.floor(y1)), height - 1)
    return left, top, max(left + 1, min(width, math.ceil(x2))), max(top + 1, min(height, math.ceil(y2)))


def iou_matrix(a_px: ArrayLike, b_px: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every box of ``a_px`` with every box of ``b_px`` (section 3.4).

    ``IoU(a, b) = |a ∩ b| / (|a| + |b| − |a ∩ b|)``, and 0 where either box has no area. Both must be in one
    space; any one will do.

    Args:
        a_px: shape (n, 4), finite.
        b_px: shape (m, 4), finite.

    Returns:
        Shape (n, m), between 0 and 1.

    Raises:
        ValueError: a shape is not (n, 4).

    >>> iou_matrix([[0, 0, 2, 2]], [[1, 0, 3, 2], [0, 0, 2, 2], [5, 5, 5, 9]]).round(4).tolist()
    [[0.3333, 1.0, 0.0]]
    """
    a, b = _rows(a_px), _rows(b_px)
    corner_low = np.maximum(a[:, None, :2], b[None, :, :2])
    corner_high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap = np.prod(np.maximum(corner_high - corner_low, 0.0), axis=2)
    union = _area(a)[:, None] + _area(b)[None, :] - overlap
    # Rounding may put the quotient a hair above 1 for near-identical boxes.
    iou = np.divide(overlap, union, out=np.zeros_like(overlap), where=overlap > 0)
    return np.asarray(np.minimum(iou, 1.0))


def _area(boxes: Boxes) -> NDArray[np.float64]:
    """Areas, 0 for a reversed box: two negative sides must not make a positive one."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def _rows(boxes: ArrayLike) -> Boxes:
    array = np.asarray(boxes, dtype=np.float64)
    if array.ndim == 1 and array.size == 0:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes have shape {array.shape}, expected (n, 4): x1 y1 x2 y2 in each row")
    return array


def _size(width: int, height: int, what: str) -> NDArray[np.float64]:
    if not (width > 0 and height > 0):
        raise ValueError(f"{what} size is {width} x {height}, expected positive width and height in pixels")
    return np.array([width, height], dtype=np.float64)


def _extent(space: Space, width: int, height: int, input_size: tuple[int, int] | None) -> NDArray[np.float64]:
    """Width and height of the whole image, in ``space``."""
    if space is Space.PIXELS:
        return _size(width, height, "image")
    if space in (Space.NORM1000, Space.NORM1000_YX):
        return np.array([1000.0, 1000.0])
    if space is Space.UNIT:
        return np.array([1.0, 1.0])
    if input_size is None:
        raise ValueError(
            "the box space is resized_pixels but there is no input_size, expected the width and height that "
            "the model was fed; use a backend that reports it (qreal_hf, or qreal_openai with a family that it knows), "
            "or declare the space that the model is asked to write (QREAL_BOX_SPACE)"
        )
    return _size(*input_size, "model input")


def _pixels_per_unit(space: Space, width: int, height: int, input_size: tuple[int, int] | None) -> NDArray[np.float64]:
    """Factors for x1, y1, x2, y2."""
    return np.tile(_size(width, height, "image") / _extent(space, width, height, input_size), 2)


def _saturated(boxes: Boxes, scale: NDArray[np.float64]) -> Boxes:
    with np.errstate(over="ignore"):
        return np.clip(boxes * scale, -_LARGEST, _LARGEST)
