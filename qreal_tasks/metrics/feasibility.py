"""Whether a reported AUC can belong to a reported decision.

A decision that says Yes above some threshold of P(Yes) is one point of the ROC curve, (FPR, TPR). The curve
rises from (0, 0) through that point to (1, 1), so::

    TPR (1 - FPR)  <=  AUC  <=  1 - FPR (1 - TPR)

An AUC outside cannot come from the same scores as the decision. In Table 1 that holds for three rows:
InternVL2.5-8B and its tuned version on realism 1, and the tuned version on realism 2, whose AUCs read like
those of the other class. An AUC inside but below ``(1 + TPR - FPR) / 2``, which the decision alone reaches,
is possible and worth a warning.

The bounds need a decision that follows the score. An answer that could not be read is counted as wrong
whatever its P(Yes), so ``check_records`` leaves such items out, as well as those without P(Yes). In a small run
an AUC is below the decision's by chance; it is called so only where the bootstrap over images excludes that.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from qreal_tasks.metrics.bootstrap import percentiles, resample_weights
from qreal_tasks.metrics.judgment import JudgmentTable, score_judgment
from qreal_tasks.records import JudgmentRecord

_RESAMPLES = 2000


class Feasibility(StrEnum):
    """What the bounds say about an AUC."""

    OK = "ok"
    BELOW_HARD_LABEL = "below hard label"
    """Possible, but the score ranks worse than the bare decision, and not by chance: a warning."""
    INFEASIBLE = "infeasible"
    """Not from the scores that the decision follows: an error."""


class Range(NamedTuple):
    """Smallest and largest value that rounded figures allow."""

    low: float
    high: float


def auc_bounds(tpr: float, fpr: float) -> Range:
    """The AUCs that a score may have whose threshold gives these rates.

    >>> auc_bounds(tpr=0.5, fpr=0.2)
    Range(low=0.4, high=0.9)
    """
    return Range(tpr * (1 - fpr), 1 - fpr * (1 - tpr))


def check(auc: float, tpr: Range, fpr: Range, rounding: float = 0.0) -> Feasibility:
    """The verdict on an AUC known within ``rounding``, with rates known within their ranges.

    Only what no combination of exact values could give is called infeasible, and only what all of them put
    below the hard-label AUC is called that.
    """
    slack = rounding + 1e-9
    lowest, highest = tpr.low * (1 - fpr.high), 1 - fpr.low * (1 - tpr.high)
    if not lowest - slack <= auc <= highest + slack:
        return Feasibility.INFEASIBLE
    return Feasibility.BELOW_HARD_LABEL if auc < (1 + tpr.low - fpr.high) / 2 - slack else Feasibility.OK


def check_records(records: Sequence[JudgmentRecord]) -> Feasibility | None:
    """The verdict on one question's items with both an answer and P(Yes); None when the AUC is undefined.

    ``BELOW_HARD_LABEL`` where the interval of AUC minus the decision's AUC, over resampled images, lies below 0.

    Raises:
        ValueError: as ``score_judgment``.
    """
    both = [r for r in records if r.answer is not None and r.p_yes is not None]
    scores = score_judgment(both)
    auc, tpr, tnr = scores["auc"], scores["recall"], scores["specificity"]
    if auc is None or tpr is None or tnr is None:
        return None
    fpr = 1 - tnr
    verdict = check(auc, Range(tpr, tpr), Range(fpr, fpr))
    return Feasibility.OK if verdict is Feasibility.BELOW_HARD_LABEL and not _clearly_below(both) else verdict


def _clearly_below(records: Sequence[JudgmentRecord]) -> bool:
    table = JudgmentTable.of(records)
    if len(table.image_ids) < 2:
        return False
    draws = (table.resampled(w) for w in resample_weights(len(table.image_ids), resamples=_RESAMPLES))
    # The AUC of a decision is the mean of its two rates.
    drawn = np.concatenate([draw["auc"] - draw["balanced"] for draw in draws])
    _, high, _ = percentiles(0.0, drawn)
    return high is not None and high < 0
