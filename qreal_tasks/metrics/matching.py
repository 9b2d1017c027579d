"""Which predicted region belongs to which reference region (section 3.4).

The paper matches by Hungarian assignment on ``1 - IoU`` and leaves ties open. They matter: a pair with IoU 0
is still a pair, and its description is still judged, so two correct assignments could give two LLM-Scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from qreal_tasks.boxes import iou_matrix
from qreal_tasks.metrics.sums import FloatArray
from qreal_tasks.records import Region

TIE_TOLERANCE = 1e-9
"""The most total IoU that breaking a tie may cost: assignments this close count as tied."""


_DECIMALS = 9
"""Decimals of an IoU when rows are compared: what differs by less than ``TIE_TOLERANCE`` is tied."""


class Match(NamedTuple):
    """One pair: positions in the predicted and the reference regions, and their IoU."""

    pred: int
    gt: int
    iou: float


def match(
    predicted: Sequence[Region], reference: Sequence[Region], *, same_label_only: bool = False
) -> tuple[Match, ...]:
    """The one-to-one assignment of ``min(N, M)`` pairs with the largest total IoU, by predicted position.

    Labels are ignored, except between assignments whose total IoU is the same within ``TIE_TOLERANCE``: of
    those, the one with the most pairs of equal label (case and outer space ignored), then the smallest sum of
    centre distances. What is tied even then is decided by the regions' content, never by their order, so the
    pairs are the same however the regions are listed; only exact duplicates can be exchanged for one another.

    Args:
        predicted: N regions; boxes in pixels of the stored image.
        reference: M regions in the same pixels.
        same_label_only: forbid pairs of different label; there may then be fewer than ``min(N, M)``.

    Raises:
        ValueError: a box is not four finite numbers; says which.

    >>> cat = Region("cat", (0, 0, 10, 10), "")
    >>> match([Region("dog", (0, 5, 10, 10), ""), cat], [cat])
    (Match(pred=1, gt=0, iou=1.0),)
    """
    if not predicted or not reference:
        return ()
    p_order, g_order = _canonical(predicted), _canonical(reference)
    p_boxes = _boxes([predicted[i] for i in p_order], "predicted")
    g_boxes = _boxes([reference[i] for i in g_order], "reference")
    p_labels = [_plain(predicted[i].label) for i in p_order]
    g_labels = [_plain(reference[i].label) for i in g_order]
    same = np.array([[p == g for g in g_labels] for p in p_labels])
    overlap = iou_matrix(p_boxes, g_boxes)
    if same_label_only:
        overlap = np.where(same, overlap, 0.0)
    distance = _centre_distance(p_boxes, g_boxes)
    rows = _useful(overlap, same, distance)
    cols = _useful(overlap.T, same.T, distance.T)
    kept = np.ix_(rows, cols)
    pairs = [
        Match(p_order[row], g_order[col], float(overlap[row, col]))
        for row, col in ((rows[r], cols[c]) for r, c in _assign(overlap[kept], same[kept], distance[kept]))
        if same[row, col] or not same_label_only
    ]
    return tuple(sorted(pairs))


def _canonical(regions: Sequence[Region]) -> list[int]:
    """Positions in an order that depends on what the regions say, not on where they stand."""
    return sorted(
        range(len(regions)),
        key=lambda i: (
            tuple(regions[i].bbox_px),
            regions[i].label,
            regions[i].description,
            regions[i].entity_id or "",
        ),
    )


def _plain(label: str) -> str:
    return label.strip().casefold()


def _boxes(regions: Sequence[Region], side: str) -> FloatArray:
    for region in regions:
        if len(region.bbox_px) != 4 or not all(math.isfinite(value) for value in region.bbox_px):
            raise ValueError(
                f"{side} region {region.label!r}: box is {region.bbox_px!r}, expected four finite numbers x1 y1 x2 y2"
            )
    return np.array([region.bbox_px for region in regions], dtype=np.float64)


def _centre_distance(a: FloatArray, b: FloatArray) -> FloatArray:
    """(n, m) distances in pixels."""
    between = (a[:, None, :2] + a[:, None, 2:] - b[None, :, :2] - b[None, :, 2:]) / 2
    return np.asarray(np.hypot(between[..., 0], between[..., 1]))


def _useful(overlap: FloatArray, same: NDArray[np.bool_], distance: FloatArray) -> NDArray[np.intp]:
    """Rows that an assignment may need, in order: for each of the m columns its m best, by what ``match`` prefers.

    A worse row of a column can be exchanged for one of these, since the other columns take at most m - 1 of them. So an
    answer of 10,000 boxes costs no more than one of m squared.
    """
    n, m = overlap.shape
    if n <= m:
        return np.arange(n)
    rounded = np.round(overlap, _DECIMALS)
    best = [np.lexsort((distance[:, c], ~same[:, c], -rounded[:, c]))[:m] for c in range(m)]
    return np.unique(np.concatenate(best))


def _assign(overlap: FloatArray, same: NDArray[np.bool_], distance: FloatArray) -> list[tuple[int, int]]:
    """Row and column of each pair: largest overlap, then most equal labels, then smallest distance.

    The second assignment may only use edges that some optimal assignment uses, so it cannot trade overlap for
    labels. Dummy rows or columns make both square; they cost nothing and leave exactly ``min(n, m)`` real
    pairs.
    """
    n, m = overlap.shape
    size = max(n, m)
    cost = np.zeros((size, size))
    cost[:n, :m] = 1 - overlap
    preference = np.zeros((size, size))
    # One equal label outweighs all distances together, each of which is at most 1.
    preference[:n, :m] = distance / (distance.max() or 1.0) - (size + 1) * same
    # One forbidden edge outweighs all preferences together.
    preference[~_optimal_edges(cost)] = 2 * (size + 2) ** 2
    rows, cols = linear_sum_assignment(preference)
    return [(int(r), int(c)) for r, c in zip(rows, cols, strict=True) if r < n and c < m]


def _optimal_edges(cost: FloatArray) -> NDArray[np.bool_]:
    """Mask of the edges that minimum-cost assignments of a square matrix consist of.

    With dual prices ``u_i + v_j <= c_ij``, an assignment costs ``sum u + sum v`` plus its reduced costs
    ``c_ij - u_i - v_j``, so it is optimal exactly when all its reduced costs are 0. Edges up to
    ``TIE_TOLERANCE / size`` are kept; ``size`` of them cost at most ``TIE_TOLERANCE`` more than the optimum.
    The prices are shortest paths over exchanges of columns, which have no negative cycle at an optimum.
    """
    size = len(cost)
    _, taken = linear_sum_assignment(cost)
    change = cost - cost[np.arange(size), taken][:, None]
    price = np.zeros(size)
    for _ in range(size):
        lowered = (price[taken][:, None] + change).min(axis=0)
        if np.array_equal(lowered, price):
            break
        price = lowered
    reduced = change + price[taken][:, None] - price[None, :]
    return np.asarray(reduced <= TIE_TOLERANCE / size)
