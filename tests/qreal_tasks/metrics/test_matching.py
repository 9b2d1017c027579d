"""The assignment: optimal by brute force, ties broken as documented, never by order."""

from __future__ import annotations

import itertools
import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typed import BuildRegion, FloatArray, Pairs, Row

from qreal_tasks.metrics.matching import TIE_TOLERANCE, match
from qreal_tasks.records import Region

_side = st.integers(0, 4)
_regions = st.lists(
    st.builds(
        lambda x, y, w, h, label: Region(label, (float(x), float(y), float(x + w + 1), float(y + h + 1)), ""),
        _side,
        _side,
        _side,
        _side,
        st.sampled_from(["cat", " Cat", "dog"]),
    ),
    max_size=5,
)


def _iou(predicted: list[Region], reference: list[Region]) -> FloatArray:
    import torch
    from torchvision.ops import box_iou

    boxes = [torch.tensor([r.bbox_px for r in regions], dtype=torch.float64) for regions in (predicted, reference)]
    iou: FloatArray = box_iou(*boxes).numpy()
    return iou


def _merits(pairs: Pairs, predicted: list[Region], reference: list[Region]) -> tuple[float, int, float]:
    """(total IoU, pairs of equal label, minus the summed centre distance): the best is the largest."""
    iou = _iou(predicted, reference)
    equal, distance = 0, 0.0
    for p, g in pairs:
        a, b = predicted[p], reference[g]
        equal += a.label.strip().lower() == b.label.strip().lower()
        distance += math.dist(*[((r.bbox_px[0] + r.bbox_px[2]) / 2, (r.bbox_px[1] + r.bbox_px[3]) / 2) for r in (a, b)])
    return sum(iou[p, g] for p, g in pairs), equal, -distance


def _all_assignments(n: int, m: int) -> list[Pairs]:
    if n <= m:
        return [tuple(zip(range(n), cols, strict=True)) for cols in itertools.permutations(range(m), n)]
    return [tuple(zip(rows, range(m), strict=True)) for rows in itertools.permutations(range(n), m)]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(_regions, _regions)
def test_best_by_brute_force_in_iou_then_labels_then_distance(predicted: list[Region], reference: list[Region]) -> None:
    found = match(predicted, reference)
    assert len(found) == min(len(predicted), len(reference))
    if not found:
        return
    mine = _merits([(f.pred, f.gt) for f in found], predicted, reference)
    every = [_merits(pairs, predicted, reference) for pairs in _all_assignments(len(predicted), len(reference))]
    best = max(total for total, _, _ in every)
    assert mine[0] >= best - TIE_TOLERANCE
    tied = [merits for merits in every if merits[0] >= best - 1e-12]
    most = max(equal for _, equal, _ in tied)
    assert mine[1] == most
    assert mine[2] == pytest.approx(max(near for _, equal, near in tied if equal == most), abs=1e-9)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(_regions, _regions, st.randoms())
def test_pairs_do_not_depend_on_the_order_of_regions(
    predicted: list[Region], reference: list[Region], chance: Random
) -> None:
    def content(p: list[Region], g: list[Region]) -> list[Row]:
        return sorted((p[f.pred].bbox_px, p[f.pred].label, g[f.gt].bbox_px, g[f.gt].label, f.iou) for f in match(p, g))

    shuffled = chance.sample(predicted, len(predicted)), chance.sample(reference, len(reference))
    assert content(*shuffled) == content(predicted, reference)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(_regions, _regions)
def test_iou_is_that_of_torchvision(predicted: list[Region], reference: list[Region]) -> None:
    for found in match(predicted, reference):
        assert found.iou == pytest.approx(_iou(predicted, reference)[found.pred, found.gt], abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(12, 12), (30, 11), (11, 30)])
def test_many_boxes_keep_the_optimum(n: int, m: int) -> None:
    """Where brute force ends: the total is SciPy's."""
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(n)
    sides = []
    for size in (n, m):
        corner, extent = rng.uniform(0, 60, (size, 2)), rng.uniform(5, 40, (size, 2))
        boxes = np.hstack([corner, corner + extent]).tolist()
        sides.append([Region(str(rng.integers(3)), tuple(box), "") for box in boxes])
    iou = _iou(*sides)
    assert sum(f.iou for f in match(*sides)) == pytest.approx(iou[linear_sum_assignment(-iou)].sum(), abs=TIE_TOLERANCE)


@pytest.mark.parametrize(
    ("proves", "predicted", "reference", "pairs"),
    [
        ("nothing predicted", [], [("a", 0, 0, 1, 1)], []),
        ("nothing to find", [("a", 0, 0, 1, 1)], [], []),
        ("a pair with IoU 0 stays", [("a", 0, 0, 1, 1)], [("a", 5, 5, 6, 6)], [(0, 0)]),
        ("IoU beats label", [("b", 0, 0, 2, 2), ("a", 9, 9, 10, 10)], [("a", 0, 0, 2, 2)], [(0, 0)]),
        (
            "tie at IoU 0: the equal label, though farther",
            [("b", 4, 4, 5, 5), ("A ", 30, 30, 31, 31)],
            [("a", 0, 0, 1, 1)],
            [(1, 0)],
        ),
        (
            "tie at IoU 0 and in label: the nearer",
            [("b", 30, 30, 31, 31), ("b", 4, 4, 5, 5)],
            [("a", 0, 0, 1, 1)],
            [(1, 0)],
        ),
        (
            "exact duplicates are kept and one of them is matched",
            [("a", 0, 0, 2, 2), ("a", 0, 0, 2, 2)],
            [("a", 0, 0, 2, 2)],
            [(0, 0)],
        ),
    ],
)
def test_by_hand(proves: str, predicted: list[Row], reference: list[Row], pairs: Pairs) -> None:
    p, g = ([Region(label, (x1, y1, x2, y2), "") for label, x1, y1, x2, y2 in side] for side in (predicted, reference))
    assert [(f.pred, f.gt) for f in match(p, g)] == pairs, proves


def test_same_label_only_drops_other_pairs(region: BuildRegion) -> None:
    predicted = [region(0, 0, 2, 2, label="dog"), region(0, 0, 2, 1)]
    reference = [region(0, 0, 2, 2), region(7, 7, 9, 9, label="bird")]
    assert match(predicted, reference, same_label_only=True) == ((1, 0, 0.5),)


@pytest.mark.parametrize("box", [(0, 0, 1), (0, 0, float("nan"), 1), (0, 0, float("inf"), 1)])
def test_malformed_box_is_named(region: BuildRegion, box: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"predicted region 'owl': box is .*expected four finite numbers"):
        match([Region("owl", box, "")], [region(0, 0, 1, 1)])  # type: ignore[arg-type]


def test_tied_in_everything_is_decided_by_content(region: BuildRegion) -> None:
    """Left and right neighbour of the reference: same IoU, label and distance; order decides nothing."""
    left, right, middle = region(0, 0, 2, 2), region(4, 0, 6, 2), region(2, 0, 4, 2)
    picked = {sides[match(sides, [middle])[0].pred].bbox_px for sides in ([left, right], [right, left])}
    assert len(picked) == 1
    sides = [match([middle], sides)[0].gt for sides in ([left, right], [right, left])]
    assert sorted(sides) == [0, 1]
