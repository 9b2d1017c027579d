"""Signs that a model writes boxes in another space than was declared.

They are reported and never used: which space boxes are read in is declared, and no look at the reference changes it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qreal_tasks.answers import parse_entities, reorder_box
from qreal_tasks.boxes import Boxes, Space, clip_to_image, from_pixels, iou_matrix, to_pixels, transposed
from qreal_tasks.records import GroundingRecord

_LIMITS = {1: "fractions of width and height", 100: "per cent of width and height"}
"""Largest coordinates that are ranges of their own."""

_CLEAR_OVERLAP = 0.4
"""Mean IoU that chance does not give, however few the boxes."""

_CLEAR_ERRORS = 3.0
"""Standard errors of a fair coin by which more boxes must gain than lose, where the overlap is lower."""


class BoxLint(NamedTuple):
    """One sign."""

    title: str
    text: str


@dataclass(frozen=True)
class _Written:
    """What one answer says, as it was written."""

    record: GroundingRecord
    space: Space
    boxes: Boxes
    """In ``space`` and its order of corners."""
    unnamed: Boxes
    """Those whose sides were not named, so that their order is the declared one."""
    under_box_2d: int
    """How many of ``unnamed`` stood under the key of models that write y first."""

    def px(self, boxes: Boxes) -> Boxes:
        record = self.record
        return to_pixels(boxes, self.space, record.width, record.height, record.input_size)


def find_box_lints(records: Sequence[GroundingRecord]) -> list[BoxLint]:
    """The signs in the answers of a run, for each declared space."""
    found = list(_assumed(records))
    by_space: dict[Space, list[_Written]] = defaultdict(list)
    for record in records:
        if _can_be_placed(record):
            by_space[Space(record.space)].append(_written(record, Space(record.space)))
    for space, answers in by_space.items():
        found += [*_small(space, answers), *_outside(space, answers), *_turned(space, answers), *_key(space, answers)]
    return found


def _can_be_placed(record: GroundingRecord) -> bool:
    """Whether it holds boxes that were read; a stored record may say anything."""
    known = record.reason is None and record.space in tuple(Space) and record.width > 0 and record.height > 0
    sized = record.space != Space.RESIZED_PIXELS or (record.input_size is not None and min(record.input_size) > 0)
    return known and sized


def _written(record: GroundingRecord, space: Space) -> _Written:
    parsed = parse_entities(record.raw)
    entities = parsed.entities
    boxes, unnamed = (
        np.array(some, dtype=np.float64).reshape(-1, 4)
        for some in ([reorder_box(e, space) for e in entities], [e.box for e in entities if not e.named])
    )
    return _Written(record, space, boxes, unnamed, parsed.under_box_2d)


def _assumed(records: Sequence[GroundingRecord]) -> Iterator[BoxLint]:
    spaces = sorted({record.space for record in records if record.space_assumed})
    if spaces:
        text = (
            f"Nobody declared the space that this model writes boxes in: {', '.join(spaces)} was assumed. If it writes "
            "in another one, every ImageQA number is wrong. Set QREAL_BOX_SPACE, or family= of qreal_openai."
        )
        yield BoxLint("Box space assumed.", text)


def _small(space: Space, answers: Sequence[_Written]) -> Iterator[BoxLint]:
    """All coordinates of all answers at most 1, or 100, where the space has room for at least twice that."""
    filled = [answer for answer in answers if len(answer.boxes)]
    if not filled:
        return
    largest = max(float(answer.boxes.max()) for answer in filled)
    room = min(float(_whole(answer).max()) for answer in filled)
    for limit, meaning in _LIMITS.items():
        if largest <= limit:
            if room >= 2 * limit:
                count = sum(len(answer.boxes) for answer in filled)
                text = f"The coordinates of all {count} boxes are at most {limit}: perhaps {meaning}, read as {space}."
                yield BoxLint("Boxes in a corner.", text)
            return


def _whole(answer: _Written) -> Boxes:
    """The image itself as a box in the declared space."""
    record = answer.record
    whole = [[0, 0, record.width, record.height]]
    return from_pixels(whole, answer.space, record.width, record.height, record.input_size)


def _outside(space: Space, answers: Sequence[_Written]) -> Iterator[BoxLint]:
    """Most boxes reach outside by more than a pixel, which rounding can be."""
    count, outside = 0, 0
    for answer in answers:
        boxes_px, size = answer.px(answer.boxes), (answer.record.width, answer.record.height)
        count += len(boxes_px)
        outside += int(np.any((boxes_px < -1) | (boxes_px > np.tile(size, 2) + 1), axis=1).sum())
    if outside > count / 2:
        text = f"{outside} of {count} boxes reach outside the image: perhaps pixels of another size, read as {space}."
        yield BoxLint("Most boxes outside.", text)


def _turned(space: Space, answers: Sequence[_Written]) -> Iterator[BoxLint]:
    """Most boxes overlap the reference better with x and y changed over, and clearly so."""
    straight, turned = [], []
    for answer in answers:
        if answer.record.reference and len(answer.unnamed):
            straight.append(_best_overlap(answer, answer.unnamed))
            turned.append(_best_overlap(answer, transposed(answer.unnamed)))
    if not straight:
        return
    as_read, changed = np.concatenate(straight), np.concatenate(turned)
    better, worse = int((changed > as_read).sum()), int((changed < as_read).sum())
    many = better - worse >= _CLEAR_ERRORS * math.sqrt(better + worse)
    clear = changed.mean() >= 2 * as_read.mean() and (many or changed.mean() >= _CLEAR_OVERLAP)
    if better > len(changed) / 2 and clear:
        text = (
            f"{better} of {len(changed)} boxes overlap the reference better with x and y changed over (mean IoU "
            f"{changed.mean():.2f}, as read {as_read.mean():.2f}): perhaps the other order of corners, read as {space}."
        )
        yield BoxLint("Boxes transposed.", text)


def _best_overlap(answer: _Written, boxes: Boxes) -> NDArray[np.float64]:
    """IoU of each box with the reference box that it overlaps most."""
    record = answer.record
    inside = clip_to_image(answer.px(boxes), record.width, record.height).boxes_px
    return np.asarray(iou_matrix(inside, [region.bbox_px for region in record.reference]).max(axis=1))


def _key(space: Space, answers: Sequence[_Written]) -> Iterator[BoxLint]:
    if space is Space.NORM1000_YX:
        return
    count = sum(1 for answer in answers if answer.under_box_2d)
    if count:
        text = (
            f"{count} answers call a box box_2d, the key of models that write y first, and were read as {space}, x "
            f"first. If the model writes y first, set QREAL_BOX_SPACE={Space.NORM1000_YX}."
        )
        yield BoxLint("box_2d.", text)
