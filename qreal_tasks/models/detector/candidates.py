"""Selects boxes from a score for every box and name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import batched_nms, nms

from qreal_tasks.boxes import Space, clip_to_image, to_pixels
from qreal_tasks.models.detector.settings import DetectionSettings

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class CandidateBox:
    """One box and the name that fits it best."""

    phrase: int
    """Place of the name among those of the image."""
    box_px: tuple[float, float, float, float]
    score: float


def select_candidates(
    boxes_unit_cxcywh: Scores,
    scores: Scores,
    phrases: Sequence[int],
    size: tuple[int, int],
    threshold: float,
    min_area_px: float,
) -> list[CandidateBox]:
    """Select the boxes whose best name reaches the threshold, cut to the image, without those too small.

    Args:
        boxes_unit_cxcywh: (n, 4), centre and size as fractions of the image, as the detectors give them.
        scores: (n, len(phrases)), 0 to 1.
        phrases: what each column stands for.
        size: width and height of the image in pixels.
    """
    if not len(phrases):
        return []
    best = scores.argmax(axis=1)
    score = scores[np.arange(len(scores)), best]
    good = score >= threshold
    centre, side = boxes_unit_cxcywh[good, :2].astype(np.float64), boxes_unit_cxcywh[good, 2:].astype(np.float64)
    corners = np.concatenate([centre - side / 2, centre + side / 2], axis=1)
    clipped = clip_to_image(to_pixels(corners, Space.UNIT, *size), *size)
    width, height = (clipped.boxes_px[:, 2:] - clipped.boxes_px[:, :2]).T
    large = clipped.has_area & (width * height >= min_area_px)
    return [
        CandidateBox(phrases[column], (box[0], box[1], box[2], box[3]), float(value))
        for column, box, value in zip(
            best[good][large], clipped.boxes_px[large].tolist(), score[good][large], strict=True
        )
    ]


def suppress_overlaps(found: Sequence[CandidateBox], settings: DetectionSettings) -> list[CandidateBox]:
    """Suppress overlapping boxes of one name and near-equal ones of several; the rest by name, the best first."""
    if not found:
        return []
    # Sorted, so that equal scores come out the same whatever order the boxes came in.
    ordered = sorted(found, key=lambda one: (-one.score, one.phrase, one.box_px))
    boxes = torch.tensor([one.box_px for one in ordered], dtype=torch.float64)
    scores = torch.tensor([one.score for one in ordered], dtype=torch.float64)
    names = torch.tensor([one.phrase for one in ordered])
    kept = sorted(batched_nms(boxes, scores, names, settings.nms_iou).tolist())
    kept = [kept[place] for place in nms(boxes[kept], scores[kept], settings.duplicate_iou).tolist()]
    result, counts = [], dict[int, int]()
    for one in sorted((ordered[place] for place in kept), key=lambda one: (one.phrase, -one.score, one.box_px)):
        counts[one.phrase] = counts.get(one.phrase, 0) + 1
        if counts[one.phrase] <= settings.max_boxes_per_phrase:
            result.append(one)
    return result
