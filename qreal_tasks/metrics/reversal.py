"""Whether P(Yes) knows what the answers beside it do not: the share of right references turns back at the threshold.

Whatever a model is worth, and however biased or overconfident it is, a P(Yes) that tells something about the reference
tells it across the answers too: items answered No with the highest P(Yes) have the reference Yes no more often than
items answered Yes with the lowest. A P(Yes) that was set after the references, while the answers stayed, turns that
round: every wrong No goes to the top of the Nos, and every wrong Yes to the bottom of the Yeses, for nowhere else is
left. So the finding is, of one question's items with both an answer and P(Yes)::

    within   = AUC over the pairs of items that have the same answer             above .5, and
    no, yes  = share of references Yes among the items nearest to the other answer, by P(Yes)
    z        = (no - yes) / standard error                                       above 3.5

at any of three depths, the nearest 10, 20 and 40 % of each answer's items and at least 30. Shares and errors count one
success and one failure more; the error is the larger of the binomial one and that of sums per image, since entities of
one image are not independent. A scorer that orders everything the wrong way round has ``within`` below .5.

Measured: of 22,800 simulated questions that honest scorers answered (calibrated, overconfident, biased, rounded,
inverted, heavy-tailed, better at one kind of entity than at another, with entities that share images; 60, 300 or 2,316
items; 5 to 90 % references Yes) 4 were found. Of questions of 2,316 items, the size of the paper's test split, all were
found where P(Yes) of all items was set after the references; where it was of 30 % of them, 97 % as long as at most 70 %
of the answers were right, and 43 % at 80 %; where it was of 15 %, 70 % where the answers are hardly better than
chance, and few of better ones. What keeps the shares rising from the Nos to the Yeses is not found; how right the
answers are bounds its gain. Nor is anything found where fewer than 30 answers are Yes, or No: there nothing bounds it.

All this is of answers that are taken from P(Yes). Answers that were sampled, at a temperature above 0, or that come
after a reasoning which P(Yes) does not know, leave wrong answers for P(Yes) to see, as altered ones do: of 15 simulated
questions of 2,316 items, sampled at temperature 1, all were found. They are told by how many are against their own
P(Yes), which stands beside the finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from qreal_tasks.benchmark import Answer
from qreal_tasks.metrics.sums import FloatArray
from qreal_tasks.records import JudgmentRecord

_DEPTHS = (0.1, 0.2, 0.4)
_LEAST = 30
"""Items of an answer below which nothing is said."""
_MOST_Z = 3.5
"""One-sided, of three depths, six questions and some hundred submissions."""

_Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Reversal:
    """The finding, at the depth where it is clearest."""

    within: float
    """AUC over the pairs of items with the same answer."""
    no: float
    """Share of references Yes among the items answered No that have the highest P(Yes)."""
    yes: float
    """The same among those answered Yes that have the lowest."""
    z: float


def find_reversal(records: Sequence[JudgmentRecord]) -> Reversal | None:
    """The finding on one question's records; None where there is none, or too little to say."""
    both = [r for r in records if r.answer is not None and r.p_yes is not None]
    said_yes = np.array([r.answer == Answer.YES for r in both], dtype=bool)
    is_yes = np.array([r.reference == Answer.YES for r in both], dtype=bool)
    p_yes = np.array([r.p_yes for r in both], dtype=np.float64)
    _, image = np.unique([r.image_id for r in both], return_inverse=True)
    if min(said_yes.sum(), (~said_yes).sum()) < _LEAST:
        return None
    within = _auc_within(said_yes, p_yes, is_yes)
    if within is None or within <= 0.5:
        return None
    found = [
        Reversal(within, *_shares(_nearest(~said_yes, -p_yes, depth), _nearest(said_yes, p_yes, depth), is_yes, image))
        for depth in _DEPTHS
    ]
    clearest = max(found, key=lambda one: one.z)
    return clearest if clearest.z > _MOST_Z else None


def _auc_within(said_yes: _Bools, p_yes: FloatArray, is_yes: _Bools) -> float | None:
    above = pairs = 0.0
    for among in (said_yes, ~said_yes):
        positive = is_yes[among]
        n = int(positive.sum())
        above += float(rankdata(p_yes[among])[positive].sum()) - n * (n + 1) / 2
        pairs += n * (len(positive) - n)
    return above / pairs if pairs else None


def _nearest(among: _Bools, distance: FloatArray, depth: float) -> NDArray[np.intp]:
    """The items of an answer that are nearest to the other one, ties included."""
    items = np.flatnonzero(among)
    count = max(int(np.ceil(depth * len(items))), _LEAST)
    furthest = np.sort(distance[items])[count - 1]
    nearest: NDArray[np.intp] = items[distance[items] <= furthest]
    return nearest


def _shares(
    nos: NDArray[np.intp], yeses: NDArray[np.intp], is_yes: _Bools, image: NDArray[np.intp]
) -> tuple[float, float, float]:
    """Both shares, and z of their difference."""
    moved = np.zeros(int(image.max()) + 1)
    shares, binomial, added = [], 0.0, 0.0
    for items, sign in ((nos, 1.0), (yeses, -1.0)):
        n = len(items) + 2
        share = float(is_yes[items].sum() + 1) / n
        np.add.at(moved, image[items], sign * (is_yes[items] - share) / n)
        shares.append(share)
        binomial += share * (1 - share) / n
        added += share * (1 - share) * 2 / n**2
    error = np.sqrt(max(float((moved**2).sum()) + added, binomial))
    return shares[0], shares[1], float((shares[0] - shares[1]) / error)
