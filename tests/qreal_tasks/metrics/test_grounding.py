"""ImageQA: identities, hand-made images, undefined values, refusals."""

from __future__ import annotations

import dataclasses
import math
import random
import warnings

import numpy as np
import pytest
from typed import BuildRegion, Change, Grounded, RandomGrounded, present

from qreal_tasks.metrics.grounding import (
    GroundingTable,
    compare_grounding,
    detection_curve,
    grounding_intervals,
    grounding_sums,
    score_grounding,
)
from qreal_tasks.metrics.matching import match
from qreal_tasks.metrics.sums import Scores, aggregate
from qreal_tasks.records import GroundingRecord

SEEDS = range(5)


@pytest.mark.parametrize("seed", SEEDS)
def test_auc_is_the_area_under_the_detection_curve(random_grounded: RandomGrounded, seed: int) -> None:
    """Sum IoU / sum N, without a grid: the curve is a step function with its steps at the IoUs."""
    records = random_grounded(seed)
    flawed = [r for r in records if r.reference]
    ious = [pair.iou for r in flawed for pair in match(r.predicted, r.reference)]
    steps = sorted({0.0, 1.0, *ious})
    heights = map(present, detection_curve(records, steps[:-1]))
    area = sum(h * (b - a) for h, a, b in zip(heights, steps[:-1], steps[1:], strict=True))
    found = score_grounding(records)
    assert found["auc"] == pytest.approx(area, abs=1e-12)
    assert found["auc"] == pytest.approx(math.fsum(ious) / sum(len(r.predicted) for r in flawed), abs=1e-12)
    assert found["detection_rate"] == detection_curve(records, [0.5])[0]
    thresholds = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    assert found["auc_50_95"] == pytest.approx(
        np.mean([present(height) for height in detection_curve(records, thresholds)]), abs=1e-12
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_order_never_matters_and_live_items_give_the_same_number(random_grounded: RandomGrounded, seed: int) -> None:
    records = random_grounded(seed)
    found = score_grounding(records)
    chance = random.Random(seed)
    shuffled = chance.sample(records, len(records))
    assert score_grounding(shuffled) == found
    items = [grounding_sums(r) for r in shuffled]
    for metric in items[0]:
        assert aggregate(item[metric] for item in items) == found[metric], metric
    unjudged = [dataclasses.replace(r, scores=None) for r in records]
    regions_shuffled = [
        dataclasses.replace(
            r,
            predicted=tuple(chance.sample(r.predicted, len(r.predicted))),
            reference=tuple(chance.sample(r.reference, len(r.reference))),
        )
        for r in unjudged
    ]
    assert score_grounding(regions_shuffled) == score_grounding(unjudged)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_weight_equals_repeating_the_image(random_grounded: RandomGrounded, seed: int) -> None:
    records = random_grounded(seed)
    table = GroundingTable.of(records)
    weights = np.random.default_rng(seed).multinomial(len(records), [1 / len(records)] * len(records), size=3)
    fast = table.resampled(weights.astype(float))
    for row, weight in enumerate(weights):
        times = dict(zip(table.image_ids, weight, strict=True))
        repeated = [
            dataclasses.replace(r, image_id=f"{r.image_id}/{copy}")
            for r in records
            for copy in range(times[r.image_id])
        ]
        slow = score_grounding(repeated)
        for metric, values in fast.items():
            expected = np.nan if slow[metric] is None else slow[metric]
            assert values[row] == pytest.approx(expected, abs=1e-12, nan_ok=True), metric


@pytest.fixture
def by_hand(region: BuildRegion, grounded: Grounded) -> list[GroundingRecord]:
    """Three flawed images, one clean.

    a: IoU 1 and .5 (not above .5), one surplus box: N 3, M 2. b: IoU .6 with another label: N 1, M 2.
    c: answer unread: N 0, M 1. d: clean, one box.
    """
    return [
        grounded(
            [region(0, 0, 10, 10), region(50, 0, 60, 10), region(90, 90, 99, 99)],
            [region(0, 0, 10, 10), region(50, 0, 60, 5)],
            image_id="a",
            dropped={"zero area": 2},
        ),
        grounded(
            [region(0, 0, 10, 6, label="dog")],
            [region(0, 0, 10, 10), region(40, 40, 50, 50)],
            image_id="b",
            clipped=1,
        ),
        grounded([], [region(0, 0, 10, 10)], image_id="c", reason="no JSON"),
        grounded([region(0, 0, 10, 10)], [], image_id="d"),
    ]


def test_by_hand(by_hand: list[GroundingRecord]) -> None:
    found = score_grounding(by_hand)
    expected = {
        "iou": (0.75 + 0.6) / 2,
        "detection_rate": 2 / 4,
        "auc": 2.1 / 4,
        "recall_at_50": 2 / 5,
        "f1_at_50": 4 / 9,
        "penalized_overlap": 2.1 / (3 + 2 + 1),
        "iou_pooled": 2.1 / 3,
        "overlap_per_reference": 2.1 / 5,
        "auc_50_95": (10 + 0 + 2) / 10 / 4,
        "detection_rate_same_label": 1 / 4,
        "f1_at_50_same_label": 2 / 9,
        "penalized_overlap_same_label": 1.5 / 6,
        "no_prediction": 1 / 3,
        "false_alarm": 1.0,
        "unparsed": 1 / 4,
    }
    counts = {
        "n": 4,
        "n_flawed": 3,
        "n_clean": 1,
        "n_predicted": 4,
        "n_reference": 5,
        "n_pairs": 3,
        "n_no_prediction": 1,
        "n_unparsed": 1,
        "n_dropped": 2,
        "n_clipped": 1,
        "n_judged": 0,
    }
    descriptions = dict.fromkeys(("llm_score", "llm_score_gated", "joint_score", "unjudged"))
    assert found == {m: pytest.approx(v, abs=1e-12) for m, v in expected.items()} | counts | descriptions


@pytest.mark.parametrize(
    ("proves", "keep", "expected"),
    [
        ("no record", "", {"iou": None, "f1_at_50": None, "false_alarm": None, "unparsed": None, "n": 0}),
        (
            "nothing predicted at all: the paper's columns are undefined, what counts misses is 0",
            "c",
            {"iou": None, "detection_rate": None, "auc": None, "f1_at_50": 0.0, "penalized_overlap": 0.0},
        ),
        (
            "only clean images: nothing but false alarms",
            "d",
            {"iou": None, "f1_at_50": None, "false_alarm": 1.0},
        ),
        ("no clean image", "a", {"false_alarm": None, "unparsed": 0.0}),
    ],
)
def test_undefined(by_hand: list[GroundingRecord], proves: str, keep: str, expected: Scores) -> None:
    found = score_grounding([r for r in by_hand if r.image_id in keep])
    assert {metric: found[metric] for metric in expected} == expected, proves


def test_duplicates_are_kept_and_count_as_surplus(region: BuildRegion, grounded: Grounded) -> None:
    once, thrice = (score_grounding([grounded([region(0, 0, 9, 9)] * n, [region(0, 0, 9, 9)])]) for n in (1, 3))
    assert (once["detection_rate"], once["f1_at_50"], once["iou"]) == (1, 1, 1)
    assert (thrice["detection_rate"], thrice["f1_at_50"], thrice["iou"]) == (1 / 3, 0.5, 1)


def test_one_safe_box_gains_in_the_papers_columns_and_loses_at_f1(region: BuildRegion, grounded: Grounded) -> None:
    """Why the ranking is by F1 at .5."""
    reference = [region(0, 0, 10, 10), region(20, 0, 30, 10), region(40, 0, 50, 10)]
    honest = [region(0, 0, 10, 9), region(20, 0, 30, 9), region(40, 0, 50, 4)]
    safe, all_three = (score_grounding([grounded(side, reference)]) for side in (honest[:1], honest))
    for metric in ("iou", "detection_rate", "auc"):
        assert present(safe[metric]) > present(all_three[metric])
    for metric in ("f1_at_50", "penalized_overlap"):
        assert present(safe[metric]) < present(all_three[metric])


def test_nothing_predicted_has_no_curve(grounded: Grounded, region: BuildRegion) -> None:
    assert detection_curve([grounded([], [region(0, 0, 1, 1)])], [0.0, 0.5]) == [None, None]


def test_intervals_hold_the_point_and_no_warning_is_raised(by_hand: list[GroundingRecord]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimates = grounding_intervals(by_hand, resamples=200)
        assert {e.value for e in grounding_intervals([], resamples=5).values()} == {None}
    found = score_grounding(by_hand)
    for metric, estimate in estimates.items():
        assert estimate.value == found[metric]
        assert found[metric] is None or type(found[metric]) is float, metric
    # Resamples without image d have no clean image: (3/4)^4 of them.
    assert estimates["false_alarm"].undefined == pytest.approx(0.316, abs=0.1)


def test_comparison_is_paired_and_refuses_other_data(by_hand: list[GroundingRecord], region: BuildRegion) -> None:
    found = compare_grounding([by_hand, by_hand[::-1]], resamples=100)[0]
    assert (found["auc"].value, found["auc"].p_value) == (0, 1)
    assert found["llm_score"].value is None
    with pytest.raises(ValueError, match=r"'d'.*only in the first run"):
        compare_grounding([by_hand, by_hand[:-1]])
    other = [dataclasses.replace(by_hand[0], reference=(region(0, 0, 1, 1),)), *by_hand[1:]]
    with pytest.raises(ValueError, match=r"'a'.*reference differs"):
        compare_grounding([by_hand, other])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"set_name": "plausibility"}, "b: set_name is 'plausibility', the first record's is 'realism'"),
        ({"image_id": "a"}, "a: occurs twice"),
        ({"scores": (0.5, 0.5)}, "image b: 2 scores for 1 matched pairs"),
        ({"scores": (1.5,)}, "image b: score is 1.5"),
        ({"scores": (float("nan"),)}, "image b: score is nan"),
    ],
)
def test_refusals_name_the_record(by_hand: list[GroundingRecord], change: Change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score_grounding([by_hand[0], dataclasses.replace(by_hand[1], **change)])


def test_malformed_box_names_the_image(by_hand: list[GroundingRecord], region: BuildRegion) -> None:
    broken = dataclasses.replace(by_hand[0], predicted=(region(0, 0, 5),))
    with pytest.raises(ValueError, match="image a: predicted region 'cat'"):
        score_grounding([broken])
