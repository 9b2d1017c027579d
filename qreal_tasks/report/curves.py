"""The points of a report's curves: ROC, reliability of P(Yes), detection rate over IoU thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qreal_tasks.benchmark import Answer
from qreal_tasks.metrics.bootstrap import LEVEL
from qreal_tasks.metrics.grounding import detection_curve
from qreal_tasks.metrics.judgment import CALIBRATION_BINS
from qreal_tasks.metrics.matching import match
from qreal_tasks.pages.shapes import Points
from qreal_tasks.records import GroundingRecord, JudgmentRecord


@dataclass(frozen=True)
class CalibrationBin:
    """Items whose P(Yes) lies in one of ten equal parts of 0 to 1."""

    n: int
    p_yes: float
    """Mean."""
    yes_share: float
    """Share of Yes among the references."""
    low: float
    high: float
    """Ends of the 95 % interval of ``yes_share`` (Wilson's, which holds for a single item too), as if the items were
    independent: those of one image are not, so it is a little narrow."""


def roc_curve(records: Sequence[JudgmentRecord]) -> Points | None:
    """(false positive rate, true positive rate) from (0, 0) to (1, 1), a point a distinct P(Yes).

    Straight lines between the points give exactly the AUC with ties counted half. None when the references of the
    items with P(Yes) are of one class.
    """
    scored = sorted(((r.p_yes, r.reference == Answer.YES) for r in records if r.p_yes is not None), reverse=True)
    score, positive = np.array([s for s, _ in scored]), np.array([p for _, p in scored], dtype=bool)
    n_yes, n_no = int(positive.sum()), int((~positive).sum())
    if not n_yes or not n_no:
        return None
    last_of_score = np.append(score[1:] != score[:-1], True)
    tpr, fpr = (np.cumsum(which)[last_of_score] / n for which, n in ((positive, n_yes), (~positive, n_no)))
    return ((0.0, 0.0), *((float(x), float(y)) for x, y in zip(fpr, tpr, strict=True)))


def decision_point(recall: float | None, specificity: float | None) -> tuple[float, float] | None:
    """Where the decoded answers lie in the plane of the ROC curve."""
    return None if recall is None or specificity is None else (1 - specificity, recall)


def calibration_curve(records: Sequence[JudgmentRecord]) -> tuple[CalibrationBin | None, ...]:
    """A bin a tenth of P(Yes), as ``calibration_error`` forms them; None for an empty one.

    ``calibration_error`` is the mean of ``abs(p_yes - yes_share)`` over the bins, weighted by ``n``.
    """
    held: list[list[tuple[float, bool]]] = [[] for _ in range(CALIBRATION_BINS)]
    for record in records:
        if record.p_yes is not None:
            position = min(int(record.p_yes * CALIBRATION_BINS), CALIBRATION_BINS - 1)
            held[position].append((record.p_yes, record.reference == Answer.YES))
    return tuple(_summarise(items) if items else None for items in held)


def _summarise(items: Sequence[tuple[float, bool]]) -> CalibrationBin:
    from scipy.stats import binomtest

    n_yes = sum(yes for _, yes in items)
    ends = binomtest(n_yes, len(items)).proportion_ci(LEVEL, "wilson")
    mean = float(np.mean([p for p, _ in items]))
    return CalibrationBin(len(items), mean, n_yes / len(items), float(ends.low), float(ends.high))


def detection_points(records: Sequence[GroundingRecord]) -> Points | None:
    """(IoU threshold, share of predicted boxes above it), a stair from 0 to 1 with a step at every pair's IoU.

    The area below is exactly ``auc``. None when nothing was predicted on an image with a flawed entity.
    """
    ious = {pair.iou for r in records if r.reference for pair in match(r.predicted, r.reference)}
    thresholds = sorted({0.0, 1.0, *ious})
    shares = [share for share in detection_curve(records, thresholds) if share is not None]
    if not shares:
        return None
    points = [(0.0, shares[0])]
    for threshold, before, after in zip(thresholds[1:], shares, shares[1:], strict=False):
        points += [(threshold, before), (threshold, after)]
    return tuple(points)
