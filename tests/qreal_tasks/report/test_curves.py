"""The curves of a report against the numbers they belong to."""

from __future__ import annotations

import numpy as np
import pytest
from pretend_run import pretend_tasks
from sklearn.metrics import roc_curve as sklearn_roc_curve
from written_run import groundings, judgments

from qreal_tasks.metrics.grounding import score_grounding
from qreal_tasks.metrics.judgment import score_judgment
from qreal_tasks.records import GroundingRecord, JudgmentRecord
from qreal_tasks.report.curves import Points, calibration_curve, detection_points, roc_curve

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
