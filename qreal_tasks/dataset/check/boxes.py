"""Boxes against the picture they are of, and against the crops that were cut from it.

``image`` of objectqa is the part of the image that ``bbox`` names, without padding. A crop of another size or with
other pixels gives away boxes in another unit or order, and crops or pictures that belong to other rows.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from qreal_tasks.dataset.check.pictures import DecodedPicture
from qreal_tasks.dataset.check.problem import DatasetProblem

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""

ROUNDING_PX = 1.0
"""How far a box may reach outside its image: float32 and a box rounded outwards."""

_SIZE_PX, _SIZE_SHARE = 2.0, 0.04
"""How far a side of a crop may be from its box, in pixels and as a share of the side: ways of rounding."""

_CELLS = 8
"""Crop and place are compared as so many means a side: lossy encoding, rounding and scaling hardly change these."""

_ALIKE, _ALIKE_SHARE = 8.0, 0.4
"""The largest mean difference of 255, or as a share of the crop's own spread, of a crop and its place. Measured by
``tests/benchmarks/crop_likeness.py`` on six photographs: JPEG of quality 75 and 50, WebP of quality 50, crops larger by
3 % and boxes off by half a pixel pass in 100 % of 1,500 boxes, boxes off by a pixel in 95 %; the same box elsewhere
passes in 1.2 %, in another photograph in none."""

_LEAST_SHARE = 0.1
"""A reading explains at least two faults of a split and such a share, or it fits by chance."""

_MANY, _MOST_SHARE = 20, 0.9
"""From so many unexplained faults of a split, and such a share of its boxes, they are reported once."""

_UNITS = {
    "pixels": (0.0, 0.0),
    "fractions of width and height (0 to 1)": (1.0, 0.01),
    "percent of width and height": (100.0, 0.01),
    "thousandths of width and height (0 to 1000)": (1000.0, 0.001),
}
"""The number at the far edge of the image (0: its size), and the step in which such numbers are written, as a share."""

_ORDERS: Mapping[str, Callable[[float, float, float, float], Corners]] = {
    "x1 y1 x2 y2": lambda a, b, c, d: (a, b, c, d),
    "y1 x1 y2 x2": lambda a, b, c, d: (b, a, d, c),
    "x1 x2 y1 y2": lambda a, b, c, d: (a, c, b, d),
    "x y width height": lambda a, b, c, d: (a, b, a + c, b + d),
    "centre x, centre y, width, height": lambda a, b, c, d: (a - c / 2, b - d / 2, a + c / 2, b + d / 2),
}
_RESIZED = "x1 y1 x2 y2 in pixels of the image at another size"
_SCALED_ALIKE = 0.1
"""How much the factors of both sides may differ, for an image whose sides were rounded when it was resized."""

_UNTURNED = "the picture before its EXIF orientation turns it"


@dataclass(frozen=True)
class Fault:
    """A box that cannot be, or that its crop contradicts."""

    row: int
    item: str
    box: Sequence[float] | None
    message: str
    readings: Mapping[str, Corners] = field(default_factory=dict)
    """How else the box could be read so that its crop agrees, and what it is then in pixels of the picture."""


def fault_of(
    row: int,
    item: str,
    box: Sequence[float] | None,
    size: tuple[int, int],
    whole: DecodedPicture | None,
    crop: DecodedPicture | None,
) -> Fault | None:
    """What is wrong with a box, or None.

    Args:
        row, item: for the message.
        size: width and height of the image.
        whole, crop: where they could be decoded; without them only the numbers are looked at.
    """
    if box is None or len(box) != 4 or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in box):
        return Fault(row, item, box, f"bbox is {box}, expected four finite numbers x1 y1 x2 y2")
    corners = (box[0], box[1], box[2], box[3])
    message = _out_of_range(corners, size)
    if whole is None or crop is None:
        return Fault(row, item, box, message) if message else None
    message = message or _misfit(corners, whole.rgb, crop.rgb)
    if message is None:
        return None
    return Fault(row, item, box, message + whole.turning, _readings(corners, whole, crop.rgb))


def summarize_faults(faults: Sequence[Fault], config: str, split: str, boxes: int) -> Iterator[DatasetProblem]:
    """The faults of a split as problems: one for all boxes that the same other reading explains, else one a box.

    Args:
        faults: of the split.
        config, split: for the message.
        boxes: how many there are in the split.
    """

    def problem(row: int | None, item: str, message: str) -> DatasetProblem:
        return DatasetProblem(config, split, row, item, "box", message)

    left = list(faults)
    while left:
        readings = Counter(reading for fault in left for reading in fault.readings)
        reading, times = readings.most_common(1)[0] if readings else ("", 0)
        if times < max(2, _LEAST_SHARE * len(left)):
            break
        first = next(fault for fault in left if reading in fault.readings)
        count = f"bbox of {times} of {boxes} entities does not fit the crops"
        yield problem(None, "", f"{count}, and does {_advice(reading, first)}. First row {first.row}, {first.item}")
        left = [fault for fault in left if reading not in fault.readings]
    if len(left) >= max(_MANY, _MOST_SHARE * boxes):
        count = f"bbox of {len(left)} of {boxes} entities does not fit the crops, in no unit or order"
        cause = "the boxes, the crops or the images may be those of other rows"
        yield problem(None, "", f"{count}; {cause}. First row {left[0].row}, {left[0].item}: {left[0].message}")
        return
    for fault in left:
        also = "".join(f"; it fits {_advice(reading, fault)}" for reading in fault.readings)
        yield problem(fault.row, fault.item, fault.message + also)


def _advice(reading: str, fault: Fault) -> str:
    """How else a box can be read, and what to do then."""
    if reading == _UNTURNED:
        return f"in {_UNTURNED}: store the picture as it was, without the tag, or turn the boxes too"
    return f"as {reading}: convert it, {_short(fault.box)} to {_short(fault.readings[reading])}"


def _out_of_range(corners: Corners, size: tuple[int, int], slack_px: tuple[float, float] = (0, 0)) -> str | None:
    (x1, y1, x2, y2), (width, height) = corners, size
    if x1 >= x2 or y1 >= y2:
        return f"bbox {_short(corners)} has no area, expected x1 < x2 and y1 < y2"
    over_x, over_y = (ROUNDING_PX + slack for slack in slack_px)
    if x1 < -over_x or y1 < -over_y or x2 > width + over_x or y2 > height + over_y:
        return f"bbox {_short(corners)} reaches outside its image of {width} x {height} px"
    return None


def _misfit(
    corners: Corners, whole: PillowImage.Image, crop: PillowImage.Image, slack_px: tuple[float, float] = (0, 0)
) -> str | None:
    """How a crop differs from the part of the picture that its box names, or None.

    Args:
        corners: with an area, and inside the picture but for rounding.
        whole, crop: in RGB.
        slack_px: further play of a side, for units whose steps are larger than a pixel.
    """
    (x1, y1, x2, y2), (width, height) = corners, whole.size
    x1, y1, x2, y2 = max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2)
    if x1 >= x2 or y1 >= y2:
        return f"bbox {_short(corners)} lies beside its image of {width} x {height} px"
    for side, box_side, slack in zip(crop.size, (x2 - x1, y2 - y1), slack_px, strict=True):
        if abs(side - box_side) > max(_SIZE_PX, _SIZE_SHARE * side) + slack:
            return (
                f"the crop is {crop.width} x {crop.height} px but bbox {_short(corners)} spans {x2 - x1:g} x "
                f"{y2 - y1:g} px, expected the same: the crop is what the box holds"
            )
    shrunk = (min(_CELLS, crop.width), min(_CELLS, crop.height))
    shown = _means(crop, shrunk, None)
    most = max(_ALIKE, _ALIKE_SHARE * float(np.abs(shown - shown.mean((0, 1))).mean()))
    difference = math.inf
    for place in _places((x1, y1, x2, y2), crop.size, whole.size):
        difference = min(difference, float(np.abs(_means(whole, shrunk, place) - shown).mean()))
        if difference <= most:
            return None
    return (
        f"the crop does not show what the image shows at bbox {_short(corners)}: they differ by {difference:.0f} of "
        f"255 on average, expected at most {most:.0f}; the box, the crop or the image belongs to another row"
    )


def _readings(corners: Corners, whole: DecodedPicture, crop: PillowImage.Image) -> dict[str, Corners]:
    """Every other way to read the numbers of a box that its crop agrees with."""
    found: dict[str, Corners] = {}
    unturned = whole.unturned
    if unturned and not _out_of_range(corners, unturned.size) and not _misfit(corners, unturned, crop):
        found[_UNTURNED] = corners
    width, height = whole.rgb.size
    for (unit, (extent, step)), (order, arrange) in itertools.product(_UNITS.items(), _ORDERS.items()):
        across, down = (width / extent, height / extent) if extent else (1.0, 1.0)
        x1, y1, x2, y2 = arrange(*corners)
        read = (x1 * across, y1 * down, x2 * across, y2 * down)
        slack = (step * width, step * height)
        if not _out_of_range(read, whole.rgb.size, slack) and not _misfit(read, whole.rgb, crop, slack):
            found[f"{order} in {unit}"] = read
    if not found:
        (x1, y1, x2, y2), (across, down) = corners, _scale(corners, crop.size)
        read = (x1 * across, y1 * down, x2 * across, y2 * down)
        is_scaled = abs(across / down - 1) < _SCALED_ALIKE and not _out_of_range(read, whole.rgb.size)
        if is_scaled and not _misfit(read, whole.rgb, crop):
            found[_RESIZED] = read
    return found


def _scale(corners: Corners, crop: tuple[int, int]) -> tuple[float, float]:
    """Factors that bring a box to the size of its crop; 0 of a box that cannot be scaled."""
    width, height = corners[2] - corners[0], corners[3] - corners[1]
    return (crop[0] / width, crop[1] / height) if width > 0 and height > 0 else (0.0, 1.0)


def _places(corners: Corners, crop: tuple[int, int], whole: tuple[int, int]) -> Iterator[Corners]:
    """Where a crop may have been cut: whole pixels, rounded either way, or the box itself for a scaled crop."""
    x1, y1, x2, y2 = corners
    width, height = crop
    if abs(width - (x2 - x1)) > _SIZE_PX or abs(height - (y2 - y1)) > _SIZE_PX:
        yield corners
        return
    for left, top in itertools.product({math.floor(x1), math.ceil(x1)}, {math.floor(y1), math.ceil(y1)}):
        if left + width <= whole[0] and top + height <= whole[1]:
            yield left, top, left + width, top + height
    yield corners


def _means(image: PillowImage.Image, shrunk: tuple[int, int], box: Corners | None) -> NDArray[np.float64]:
    return np.asarray(image.resize(shrunk, PillowImage.Resampling.BOX, box=box), dtype=np.float64)


def _short(box: Sequence[float] | None) -> str:
    return "[" + ", ".join(f"{value:g}" for value in box or ()) + "]"
