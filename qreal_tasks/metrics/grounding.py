"""ImageQA, one set: where the flawed entities are (section 3.4, Tables 2-4).

``N`` predicted and ``M`` reference regions of an image are matched one to one (``matching.match``). Sums run
over the images whose reference has a flawed entity; a clean image only counts for ``false_alarm`` and
``unparsed``. The paper leaves out clean images, too.

=========================  ================================================================================
``iou``                    mean over an image's pairs, then over images with at least one pair
``detection_rate``         pairs with IoU > .5 / sum N
``auc``                    sum IoU / sum N: the area under the detection rate over thresholds from 0 to 1
``recall_at_50``           pairs with IoU > .5 / sum M
``f1_at_50``               2 pairs with IoU > .5 / (sum N + sum M)
``penalized_overlap``      sum IoU / sum max(N, M)
``iou_pooled``             sum IoU / pairs
``overlap_per_reference``  sum IoU / sum M
``auc_50_95``              detection rate averaged over the thresholds .50, .55, ... .95
``*_same_label``           three of them when only regions of equal label may be matched
``no_prediction``          share of images with a flawed entity but no predicted box
``false_alarm``            share of clean images with at least one predicted box
``unparsed``               share of answers that could not be read, clean images included
=========================  ================================================================================

``iou``, ``detection_rate`` and ``auc`` are the paper's columns, defined as its tables add up: six of their
rows have an AUC above the detection rate at .5, which an AUC over .5 to .95 cannot. They reward a model that
predicts one safe box; ``f1_at_50`` and ``penalized_overlap`` do not. An image without a prediction, or with
an answer that could not be read, adds 0 to ``N``: it is out of the paper's columns and counted, but its ``M``
stays in the others. An answer that could not be read raises no false alarm; see ``unparsed`` beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qreal_tasks.metrics.bootstrap import RESAMPLES, Difference, Estimate, estimate_differences, estimate_intervals
from qreal_tasks.metrics.description import IOU_THRESHOLD, description_sums
from qreal_tasks.metrics.matching import Match, match
from qreal_tasks.metrics.sums import FloatArray, Ratio, Scores, aggregate, divide, require_paired, require_same
from qreal_tasks.records import GroundingRecord

_STRICT_THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
_SAME_LABEL = ("detection_rate", "f1_at_50", "penalized_overlap")
_NOTHING = Ratio(0, 0)


def grounding_sums(record: GroundingRecord) -> dict[str, Ratio]:
    """What one image adds to every metric of ImageQA, descriptions included.

    ``aggregate`` over the images of a run gives exactly what ``score_grounding`` gives.

    Raises:
        ValueError: a box is not four finite numbers, or the scores do not fit the pairs; names the image.
    """
    try:
        pairs = match(record.predicted, record.reference)
        labelled = match(record.predicted, record.reference, same_label_only=True)
    except ValueError as error:
        raise ValueError(f"image {record.image_id}: {error}") from error
    clean = not record.reference
    sums = _overlap_sums(pairs, len(record.predicted), len(record.reference))
    same_label = _overlap_sums(labelled, len(record.predicted), len(record.reference))
    sums |= {f"{metric}_same_label": same_label[metric] for metric in _SAME_LABEL}
    sums["no_prediction"] = Ratio(not record.predicted, 1)
    if clean:
        sums = dict.fromkeys(sums, _NOTHING)
    sums["false_alarm"] = Ratio(bool(record.predicted), 1) if clean else _NOTHING
    sums["unparsed"] = Ratio(record.reason is not None, 1)
    return {**sums, **description_sums(record, pairs)}


def _overlap_sums(pairs: Sequence[Match], n: int, m: int) -> dict[str, Ratio]:
    """The metrics made of IoUs, for an image with ``n`` predicted and ``m`` reference regions."""
    ious = [pair.iou for pair in pairs]
    total = math.fsum(ious)
    hits = sum(iou > IOU_THRESHOLD for iou in ious)
    strict = sum(iou > threshold for iou in ious for threshold in _STRICT_THRESHOLDS)
    return {
        "iou": Ratio(total / len(ious), 1) if ious else _NOTHING,
        "detection_rate": Ratio(hits, n),
        "auc": Ratio(total, n),
        "recall_at_50": Ratio(hits, m),
        "f1_at_50": Ratio(2 * hits, n + m),
        "penalized_overlap": Ratio(total, max(n, m)),
        "iou_pooled": Ratio(total, len(ious)),
        "overlap_per_reference": Ratio(total, m),
        "auc_50_95": Ratio(strict / len(_STRICT_THRESHOLDS), n),
    }


@dataclass(frozen=True)
class GroundingTable:
    """The sums per image of one set: everything that its point estimates and resamples are made of."""

    image_ids: tuple[str, ...]
    sums: dict[str, tuple[Ratio, ...]]
    """Metric to one ratio per image."""

    @classmethod
    def of(cls, records: Sequence[GroundingRecord]) -> GroundingTable:
        """Match and sum up the records of one set.

        Raises:
            ValueError: records of several sets, an image twice, or a malformed record; names the record.
        """
        require_same(records, "set_name", "image_id")
        ordered = sorted(records, key=lambda r: r.image_id)
        rows = [grounding_sums(record) for record in ordered]
        return cls(tuple(r.image_id for r in ordered), {m: tuple(row[m] for row in rows) for m in _metric_names()})

    def point(self) -> Scores:
        """Every metric with each image counted once."""
        return {metric: aggregate(ratios) for metric, ratios in self.sums.items()}

    def resampled(self, weights: FloatArray) -> dict[str, FloatArray]:
        """(n_resamples, n_images) weights to (n_resamples,) per metric, nan where undefined."""
        parts = np.array(list(self.sums.values()), dtype=np.float64).reshape(len(self.sums), len(self.image_ids), 2)
        num, den = weights @ parts[:, :, 0].T, weights @ parts[:, :, 1].T
        ratios = divide(num, den)
        return {metric: ratios[:, column] for column, metric in enumerate(self.sums)}


def _metric_names() -> tuple[str, ...]:
    """The metrics that ``grounding_sums`` gives, also when there is no record to ask."""
    nothing = GroundingRecord("", "", "", False, 1, 1, "", None, "", None, (), {}, 0, (), *("",) * 4)
    return tuple(grounding_sums(nothing))


def score_grounding(records: Sequence[GroundingRecord]) -> Scores:
    """Every metric of one set, with counts of what they rest on.

    ``n`` images asked, ``n_flawed`` with a flawed entity, ``n_clean`` without; ``n_predicted``,
    ``n_reference`` and ``n_pairs`` regions in the flawed ones, ``n_no_prediction`` flawed images without a
    box, ``n_unparsed`` answers, ``n_dropped`` and ``n_clipped`` invalid boxes, ``n_judged`` pairs that a
    judge scored.

    Raises:
        ValueError: records of several sets, an image twice, or a malformed record; names the record.
    """
    point = GroundingTable.of(records).point()
    flawed = [r for r in records if r.reference]
    return {
        **point,
        "n": len(records),
        "n_flawed": len(flawed),
        "n_clean": len(records) - len(flawed),
        "n_predicted": sum(len(r.predicted) for r in flawed),
        "n_reference": sum(len(r.reference) for r in flawed),
        "n_pairs": sum(min(len(r.predicted), len(r.reference)) for r in flawed),
        "n_no_prediction": sum(not r.predicted for r in flawed),
        "n_unparsed": sum(r.reason is not None for r in records),
        "n_dropped": sum(sum(r.dropped.values()) for r in records),
        "n_clipped": sum(r.clipped for r in records),
        "n_judged": sum(score is not None for r in flawed for score in r.scores or ()),
    }


def grounding_intervals(
    records: Sequence[GroundingRecord], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """Every metric of one set with its interval from a bootstrap over images, clean ones included."""
    return estimate_intervals(GroundingTable.of(records), resamples=resamples, seed=seed)


def compare_grounding(
    runs: Sequence[Sequence[GroundingRecord]],
    pairs: Sequence[tuple[int, int]] = ((0, 1),),
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[dict[str, Difference]]:
    """First minus second of each pair of runs for every metric of one set, paired by image.

    Args:
        pairs: positions in ``runs``.

    Raises:
        ValueError: the runs were not scored on the same images with the same reference; names the image.
    """
    require_paired([{(r.set_name, r.image_id): r.reference for r in run} for run in runs])
    return estimate_differences([GroundingTable.of(run) for run in runs], pairs, resamples=resamples, seed=seed)


def detection_curve(records: Sequence[GroundingRecord], iou_thresholds: Sequence[float]) -> list[float | None]:
    """Share of predicted boxes whose matched IoU is above each threshold; None when nothing was predicted.

    Its area over thresholds from 0 to 1 is ``auc``: a box with IoU ``x`` counts on ``[0, x)``.
    """
    flawed = [r for r in records if r.reference]
    ious = np.sort([pair.iou for r in flawed for pair in match(r.predicted, r.reference)])
    n = sum(len(r.predicted) for r in flawed)
    if n == 0:
        return [None for _ in iou_thresholds]
    return [float((len(ious) - np.searchsorted(ious, t, side="right")) / n) for t in iou_thresholds]
