"""The numbers that a live run reports: of every sample what it adds, and these put together once.

The harness hands the items of one metric to its aggregation; predictions from elsewhere have all records at once. Both
end in ``aggregate_ratios`` and ``score_judgment``, so that the same answers give the same numbers to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qreal_tasks.metrics.catalogue import IMAGEQA_LIVE, OBJECTQA_LIVE
from qreal_tasks.metrics.grounding import grounding_sums
from qreal_tasks.metrics.judgment import judgment_sums, score_judgment
from qreal_tasks.metrics.sums import Ratio, aggregate
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record

OBJECTQA_OTHERS = ("auc", "mcc", "balanced")
"""Metrics whose item is what of the record they need: the sample, its reference, its answer and P(Yes)."""

OBJECTQA_RATIOS = tuple(metric for metric in OBJECTQA_LIVE if metric not in OBJECTQA_OTHERS)
"""Metrics whose item is what the sample adds to numerator and denominator, like all of ImageQA's."""


def aggregate_ratios(items: Iterable[Sequence[float]]) -> float | None:
    """The quotient of the sums of numerators and denominators; None where the denominators sum to 0."""
    return aggregate(Ratio(num, den) for num, den in items)


def compute_live(records: Sequence[Record]) -> dict[str, float | None]:
    """What a live run reports of one task: how many records there are, and its metrics by name.

    Raises:
        ValueError: records that contradict each other, or an impossible value.
    """
    found: dict[str, float | None] = {"records": len(records)}
    judgments = [record for record in records if isinstance(record, JudgmentRecord)]
    if judgments:
        sums = [judgment_sums(record) for record in judgments]
        whole = score_judgment(judgments)
        ratios = {metric: aggregate_ratios([one[metric] for one in sums]) for metric in OBJECTQA_RATIOS}
        return found | {metric: ratios.get(metric, whole.get(metric)) for metric in OBJECTQA_LIVE}
    grounded = [grounding_sums(record) for record in records if isinstance(record, GroundingRecord)]
    return found | {metric: aggregate_ratios([one[metric] for one in grounded]) for metric in IMAGEQA_LIVE}
