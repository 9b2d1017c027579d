"""Whether another judge would put the models in another order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import kendalltau, rankdata

from qreal_tasks.metrics.sums import none_if_nan


@dataclass(frozen=True)
class RankingChange:
    """What two judges make of the same runs."""

    first: str
    second: str
    first_rank: dict[str, float]
    """Run to rank, 1 for the highest LLM-Score; equal scores share their mean rank."""
    second_rank: dict[str, float]
    tau: float | None
    """Kendall's tau-b; None with fewer than two runs or when a judge scores all runs the same."""
    swapped: tuple[tuple[str, str], ...]
    """Two runs of which the first judge prefers the first, the second judge the second. A tie is no swap."""
    left_out: tuple[str, ...]
    """Runs that one of the two judges gives no score."""


def compare_rankings(scores: Mapping[str, Mapping[str, float | None]]) -> list[RankingChange]:
    """For every two judges: whether another judge would have put the runs in another order.

    Args:
        scores: judge to run to its ``llm_score``, None where undefined.

    Raises:
        ValueError: fewer than two judges, or a score that is no finite number; names judge and run.

    >>> scores = {"a": {"x": 0.6, "y": 0.5, "z": 0.1}, "b": {"x": 0.4, "y": 0.7, "z": 0.2}}
    >>> compare_rankings(scores)[0].swapped
    (('x', 'y'),)
    """
    if len(scores) < 2:
        raise ValueError(f"{len(scores)} judges, expected at least two to compare")
    for judge, of_judge in scores.items():
        for run, score in of_judge.items():
            if score is not None and not math.isfinite(score):
                raise ValueError(f"run {run}: score of judge {judge} is {score!r}, expected a finite number or None")
    return [_change(a, b, scores[a], scores[b]) for a, b in itertools.combinations(scores, 2)]


def _change(first: str, second: str, a: Mapping[str, float | None], b: Mapping[str, float | None]) -> RankingChange:
    names = sorted(a.keys() | b.keys())
    both = [(name, x, y) for name in names if (x := a.get(name)) is not None and (y := b.get(name)) is not None]
    runs, of_a, of_b = [name for name, _, _ in both], [x for _, x, _ in both], [y for _, _, y in both]
    swapped = []
    for (run, x, y), (other, other_x, other_y) in itertools.combinations(both, 2):
        if (x - other_x) * (y - other_y) < 0:
            swapped.append((run, other) if x > other_x else (other, run))
    return RankingChange(
        first=first,
        second=second,
        first_rank=_ranks(runs, of_a),
        second_rank=_ranks(runs, of_b),
        tau=none_if_nan(float(kendalltau(of_a, of_b).statistic)) if len(runs) > 1 else None,
        swapped=tuple(swapped),
        left_out=tuple(name for name in names if name not in runs),
    )


def _ranks(runs: Sequence[str], scores: Sequence[float]) -> dict[str, float]:
    """Best first."""
    ranks = rankdata([-score for score in scores]).tolist()
    return dict(sorted(zip(runs, ranks, strict=True), key=lambda item: (item[1], item[0])))
