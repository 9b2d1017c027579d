"""LLM-Score: how well the descriptions of matched regions say what the reference says (section 3.4).

A judge gives each matched pair a score from 0 to 1; this module only sums what ``GroundingRecord.scores``
holds. A pair the judge could not answer is out of numerator and denominator and is counted; it is never 0.

====================  ====================================================================================
``llm_score``         mean over an image's judged pairs, then over images with one; the paper's column
``llm_score_gated``   the same over pairs with IoU > .5 only: the description where the box is right
``joint_score``       sum score [IoU > .5] / sum max(N, M): box and description right, the rest 0
``unjudged``          share of matched pairs that the judge could not answer
====================  ====================================================================================

``joint_score`` drops an unjudged pair from ``max(N, M)`` when its IoU is above .5, because what it would have
added is unknown. At .5 or below it adds 0 whatever the judge says, so it stays.

Without a judge (``scores`` is None) all are undefined. A judge writes ``()`` for an image without pairs: such
an image counts in ``joint_score``, whereas None leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from qreal_tasks.metrics.matching import Match
from qreal_tasks.metrics.sums import Ratio
from qreal_tasks.records import GroundingRecord

DESCRIPTION_METRICS = ("llm_score", "llm_score_gated", "joint_score", "unjudged")

IOU_THRESHOLD = 0.5
"""Exceeded, not reached, by a box that counts as found."""

_NOTHING = Ratio(0, 0)


def description_sums(record: GroundingRecord, pairs: Sequence[Match]) -> dict[str, Ratio]:
    """What one image adds to ``DESCRIPTION_METRICS``.

    Args:
        record: one image; without a flawed entity in the reference it adds nothing.
        pairs: ``match(record.predicted, record.reference)``.

    Raises:
        ValueError: not one score per pair, or a score outside 0 to 1; names the image.
    """
    if record.scores is None:
        return dict.fromkeys(DESCRIPTION_METRICS, _NOTHING)
    _check(record, len(pairs))
    if not record.reference:
        return dict.fromkeys(DESCRIPTION_METRICS, _NOTHING)
    found = [pair.iou > IOU_THRESHOLD for pair in pairs]
    judged = [(score, hit) for score, hit in zip(record.scores, found, strict=True) if score is not None]
    gated = [score for score, hit in judged if hit]
    unknown = sum(found) - len(gated)
    return {
        "llm_score": _mean([score for score, _ in judged]),
        "llm_score_gated": _mean(gated),
        "joint_score": Ratio(math.fsum(gated), max(len(record.predicted), len(record.reference)) - unknown),
        "unjudged": Ratio(len(pairs) - len(judged), len(pairs)),
    }


def _mean(scores: Sequence[float]) -> Ratio:
    """One image's mean, to be averaged over images."""
    return Ratio(math.fsum(scores) / len(scores), 1) if scores else _NOTHING


def _check(record: GroundingRecord, n_pairs: int) -> None:
    scores = record.scores or ()
    if len(scores) != n_pairs:
        raise ValueError(f"image {record.image_id}: {len(scores)} scores for {n_pairs} matched pairs; judge it again")
    for score in scores:
        if score is not None and not 0 <= score <= 1:
            raise ValueError(f"image {record.image_id}: score is {score!r}, expected a number from 0 to 1 or None")
