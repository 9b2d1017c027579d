"""AUC and average precision when every image counts ``w`` times: the core of an exact, fast bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qreal_tasks.metrics.sums import FloatArray, divide

IntArray = NDArray[np.intp]

_CELLS = 2**18
"""Items times resamples held at once: 2 MiB an array, which stays in a core's cache and bounds the memory."""


class RankingScores(NamedTuple):
    """One value per resample, shape (n_resamples,); nan where undefined."""

    auc: FloatArray
    average_precision: FloatArray


@dataclass(frozen=True)
class Ranking:
    """Scored positives and negatives, each with the image it belongs to; prepared once, weighted often.

    Sorting and searching happen once, here: resampling images changes how often an item counts, never its
    rank. Positives and negatives are sorted by descending score.
    """

    positive_image: IntArray
    """(n_pos,) index of the image."""
    negative_image: IntArray
    """(n_neg,)"""
    negatives_above: IntArray
    """(n_pos,) negatives with a strictly higher score than the positive."""
    negatives_through: IntArray
    """(n_pos,) negatives with a score at least as high."""
    positives_through: IntArray
    """(n_pos,) positives with a score at least as high, itself included."""

    @classmethod
    def of(cls, score: Sequence[float], positive: Sequence[bool], image: Sequence[int]) -> Ranking:
        """Prepare items given by score, class and index of their image, each of the same length."""
        scores, is_positive = np.asarray(score, dtype=np.float64), np.asarray(positive, dtype=bool)
        images = np.asarray(image, dtype=np.intp)
        order = np.argsort(-scores, kind="stable")
        scores, is_positive, images = scores[order], is_positive[order], images[order]
        # Negated scores ascend, as searchsorted wants.
        pos, neg = -scores[is_positive], -scores[~is_positive]
        return cls(
            positive_image=images[is_positive],
            negative_image=images[~is_positive],
            negatives_above=np.searchsorted(neg, pos, side="left"),
            negatives_through=np.searchsorted(neg, pos, side="right"),
            positives_through=np.searchsorted(pos, pos, side="right"),
        )

    def scores(self, weights: FloatArray) -> RankingScores:
        """AUC and average precision under image weights.

        With ``P`` and ``N`` the weighted positives and negatives, and sums over positives ``p`` and negatives
        ``q``::

            AUC = sum_p sum_q w_p w_q ([s_p > s_q] + [s_p = s_q] / 2) / (P N)
            AP  = sum_p w_p precision(s_p) / P,   precision(s) = share of positives among items scored >= s

        Equal to scikit-learn's ``roc_auc_score`` and ``average_precision_score``, ties included, where those
        are defined. AUC is nan when either class weighs 0, average precision when the positives weigh 0.

        Args:
            weights: (n_resamples, n_images), how often each image counts; whole numbers.

        >>> r = Ranking.of([0.9, 0.6, 0.6, 0.2], [True, True, False, False], [0, 1, 2, 3])
        >>> float(r.scores(np.ones((1, 4))).auc[0])  # 3.5 of 4 pairs in order, a tie counts half
        0.875
        """
        block = max(1, _CELLS // max(1, len(self.positive_image) + len(self.negative_image)))
        parts = [self._block(weights[start : start + block].T) for start in range(0, len(weights), block)]
        return RankingScores(
            np.concatenate([part.auc for part in parts]),
            np.concatenate([part.average_precision for part in parts]),
        )

    def _block(self, weights: FloatArray) -> RankingScores:
        """The same for (n_images, n_resamples) weights: with items first, every step is contiguous."""
        of_image = np.ascontiguousarray(weights)
        w_pos = of_image[self.positive_image]
        positives, negatives = _running_total(w_pos), _running_total(of_image[self.negative_image])
        false_through = negatives[self.negatives_through]
        true_through = positives[self.positives_through]

        misordered = negatives[self.negatives_above]
        misordered += false_through
        lost = np.einsum("pr,pr->r", w_pos, misordered) / 2
        pairs = positives[-1] * negatives[-1]

        # Whole-number weights: the denominator is below 1 only where the positive itself weighs 0.
        false_through += true_through
        np.maximum(false_through, 1, out=false_through)
        np.divide(true_through, false_through, out=true_through)
        precision = np.einsum("pr,pr->r", w_pos, true_through)
        return RankingScores(divide(pairs - lost, pairs), divide(precision, positives[-1]))


def _running_total(weights: FloatArray) -> FloatArray:
    """(n + 1, r): row ``k`` is the total weight of the first ``k`` items."""
    totals = np.zeros((len(weights) + 1, weights.shape[1]))
    np.cumsum(weights, axis=0, out=totals[1:])
    return totals
