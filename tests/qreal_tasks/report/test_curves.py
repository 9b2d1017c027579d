"""The curves of a report against the numbers they belong to."""

from __future__ import annotations

import numpy as np
import pytest
from pretend_run import pretend_tasks
from sklearn.metrics import roc_curve as sklearn_roc_curve
from written_run import groundings, judgments

from qreal_tasks.metrics.grounding import score_grounding
from qreal_tasks.metrics.judgment import score_judgment
from qreal_tasks.pages.shapes import Points
from qreal_tasks.records import GroundingRecord, JudgmentRecord
from qreal_tasks.report.curves import calibration_curve, detection_points, roc_curve

TASKS = pretend_tasks()
QUESTIONS = [records for task, records in TASKS.items() if "objectqa" in task]
SETS = [records for task, records in TASKS.items() if "imageqa" in task]


def area(points: Points) -> float:
    x, y = np.array(points).T
    return float(np.trapezoid(y, x))


@pytest.mark.parametrize("records", [*QUESTIONS, judgments()])
def test_the_area_below_a_roc_curve_is_the_auc(records: list[JudgmentRecord]) -> None:
    points = roc_curve(records)
    assert points is not None
    assert area(points) == pytest.approx(score_judgment(records)["auc"], abs=1e-12)
    fpr, tpr, _ = sklearn_roc_curve(
        [r.reference == "Yes" for r in records], [r.p_yes for r in records], drop_intermediate=False
    )
    assert np.allclose(np.array(points), np.stack([fpr, tpr], axis=1))


def test_ties_are_one_point() -> None:
    tied = [
        JudgmentRecord(
            "realism_q1", f"i{n}#0", f"i{n}", "g", False, "dog", result, "", None, None, 0.5, None, "1", "", "", "mini"
        )
        for n, result in enumerate(("Yes", "No", "No"))
    ]
    assert roc_curve(tied) == ((0.0, 0.0), (1.0, 1.0))
    assert roc_curve(tied[:1]) is None
    assert roc_curve([]) is None


@pytest.mark.parametrize("records", [*QUESTIONS, judgments()])
def test_bins_give_the_calibration_error(records: list[JudgmentRecord]) -> None:
    bins = [found for found in calibration_curve(records) if found is not None]
    error = sum(found.n * abs(found.p_yes - found.yes_share) for found in bins) / sum(found.n for found in bins)
    assert error == pytest.approx(score_judgment(records)["calibration_error"], abs=1e-12)


@pytest.mark.parametrize("records", [*SETS, groundings()])
def test_the_area_below_a_detection_curve_is_the_auc(records: list[GroundingRecord]) -> None:
    points = detection_points(records)
    assert points is not None
    assert area(points) == pytest.approx(score_grounding(records)["auc"], abs=1e-12)
    assert points[-1] == (1.0, 0.0)


def test_no_prediction_has_no_curve() -> None:
    assert detection_points([r for r in groundings() if not r.predicted]) is None


def sure(references: str) -> list[JudgmentRecord]:
    """Items of one bin, Y or N a reference."""
    return [
        JudgmentRecord(
            *("realism_q1", f"i{n}#0", f"i{n}", "g", False, "dog", {"Y": "Yes", "N": "No"}[one], "", None, None),
            *(0.95, None, "1", "", "", "mini"),
        )
        for n, one in enumerate(references)
    ]


# Wilson's interval by hand: (k + 1.92) / (n + 3.84) ± 1.96 / (n + 3.84) * sqrt(k (n - k) / n + .96)
@pytest.mark.parametrize(
    ("references", "low", "high"),
    [("Y", 0.2065, 1.0), ("N", 0.0, 0.7935), ("YN", 0.0945, 0.9055), ("YYYYYYYYYN", 0.5958, 0.9821)],
)
def test_a_bin_of_few_items_has_a_long_interval(references: str, low: float, high: float) -> None:
    (found,) = [one for one in calibration_curve(sure(references)) if one is not None]
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
    assert found.low <= found.yes_share <= found.high
