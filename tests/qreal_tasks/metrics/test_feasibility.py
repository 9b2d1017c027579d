"""The check that would have caught rows of the paper's Table 1, on every legible row of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typed import JudgedRows, present

from qreal_tasks.metrics.feasibility import Feasibility, Range, auc_bounds, check, check_records
from qreal_tasks.metrics.printed_rows import Rates, check_row, reconstruct
from qreal_tasks.records import JudgmentRecord

ROUNDING = 0.0005
"""Three decimals are printed."""

YES_SHARE = {
    "realism_q1": 0.402,
    "realism_q2": 0.404,
    "plausibility_q1": 0.433,
    "plausibility_q2": 0.631,
    "plausibility_q3": 0.600,
    "plausibility_q4": 0.112,
}

# question, model (* tuned), accuracy, precision, F1, AUC; the rows of Table 1 that could be read.
TableRow = tuple[str, str, float, float, float, float | None]

TABLE_1: list[TableRow] = [
    ("realism_q1", "GPT-4o", 0.651, 0.558, 0.669, None),
    ("realism_q1", "Qwen2.5-VL-7B", 0.665, 0.677, 0.432, 0.761),
    ("realism_q1", "Qwen2.5-VL-7B*", 0.729, 0.677, 0.649, 0.800),
    ("realism_q1", "InternVL2.5-8B", 0.675, 0.578, 0.630, 0.312),
    ("realism_q1", "InternVL2.5-8B*", 0.729, 0.671, 0.652, 0.411),
    ("realism_q1", "llava-v1.6-7B", 0.636, 0.541, 0.577, 0.679),
    ("realism_q1", "llava-v1.6-7B*", 0.737, 0.692, 0.655, 0.810),
    ("realism_q2", "GPT-4o", 0.598, 0.506, 0.659, None),
    ("realism_q2", "Qwen2.5-VL-7B", 0.650, 0.609, 0.465, 0.710),
    ("realism_q2", "Qwen2.5-VL-7B*", 0.726, 0.671, 0.653, 0.797),
    ("realism_q2", "InternVL2.5-8B", 0.598, 0.501, 0.614, 0.373),
    ("realism_q2", "InternVL2.5-8B*", 0.724, 0.672, 0.643, 0.454),
    ("realism_q2", "llava-v1.6-7B", 0.539, 0.462, 0.606, 0.641),
    ("realism_q2", "llava-v1.6-7B*", 0.734, 0.700, 0.646, 0.805),
    ("plausibility_q1", "GPT-4o", 0.632, 0.580, 0.568, None),
    ("plausibility_q1", "Qwen2.5-VL-7B", 0.578, 0.709, 0.087, 0.681),
    ("plausibility_q1", "Qwen2.5-VL-7B*", 0.786, 0.732, 0.764, 0.870),
    ("plausibility_q1", "InternVL2.5-8B", 0.584, 0.595, 0.208, 0.689),
    ("plausibility_q1", "InternVL2.5-8B*", 0.773, 0.743, 0.736, 0.660),
    ("plausibility_q1", "llava-v1.6-7B", 0.605, 0.547, 0.521, 0.661),
    ("plausibility_q1", "llava-v1.6-7B*", 0.794, 0.752, 0.767, 0.874),
    ("plausibility_q2", "GPT-4o", 0.649, 0.677, 0.756, None),
    ("plausibility_q2", "Qwen2.5-VL-7B", 0.490, 0.839, 0.369, 0.648),
    ("plausibility_q2", "Qwen2.5-VL-7B*", 0.729, 0.742, 0.805, 0.780),
    ("plausibility_q2", "InternVL2.5-8B", 0.610, 0.680, 0.699, 0.561),
    ("plausibility_q3", "GPT-4o", 0.654, 0.722, 0.714, None),
    ("plausibility_q3", "Qwen2.5-VL-7B", 0.629, 0.853, 0.598, 0.726),
    ("plausibility_q3", "Qwen2.5-VL-7B*", 0.714, 0.714, 0.787, 0.790),
    ("plausibility_q3", "InternVL2.5-8B", 0.605, 0.615, 0.735, 0.448),
    ("plausibility_q4", "GPT-4o", 0.869, 0.496, 0.616, None),
    ("plausibility_q4", "Qwen2.5-VL-7B", 0.892, 0.700, 0.106, None),
    ("plausibility_q4", "Qwen2.5-VL-7B*", 0.949, 0.811, 0.758, None),
    ("plausibility_q4", "InternVL2.5-8B", 0.895, 0.638, 0.245, None),
]


def _rates(row: TableRow) -> Rates:
    return present(reconstruct(*row[2:5], rounding=ROUNDING))


@pytest.mark.parametrize("row", TABLE_1, ids=lambda row: f"{row[0]}-{row[1]}")
def test_yes_share_of_every_row(row: TableRow) -> None:
    """Local models agree on one share per question within .005; GPT-4o is up to .021 above it.

    Every GPT-4o row excludes that share even with all roundings in its favour: rounding is not the cause.
    """
    found, listed = _rates(row).yes_share, YES_SHARE[row[0]]
    if row[1] == "GPT-4o":
        assert listed < found.low < found.high < listed + 0.022
    else:
        assert abs((found.low + found.high) / 2 - listed) < 0.005
        assert found.high - found.low < 0.006


def test_verdict_on_every_auc_of_table_1() -> None:
    verdicts = {
        (row[0], row[1]): check_row(*row[2:5], row[5], rounding=ROUNDING) for row in TABLE_1 if row[5] is not None
    }
    assert {key for key, verdict in verdicts.items() if verdict is Feasibility.INFEASIBLE} == {
        ("realism_q1", "InternVL2.5-8B"),
        ("realism_q1", "InternVL2.5-8B*"),
        ("realism_q2", "InternVL2.5-8B*"),
    }
    assert {key for key, verdict in verdicts.items() if verdict is Feasibility.BELOW_HARD_LABEL} == {
        ("realism_q2", "InternVL2.5-8B"),
        ("plausibility_q1", "InternVL2.5-8B*"),
        ("plausibility_q2", "InternVL2.5-8B"),
        ("plausibility_q3", "InternVL2.5-8B"),
    }
    assert list(verdicts.values()).count(Feasibility.OK) == 17


def test_yes_is_the_positive_class() -> None:
    """With No as the positive class the rows of a question contradict each other."""
    for name in ("realism_q1", "plausibility_q2", "plausibility_q4"):
        rows = [row for row in TABLE_1 if row[0] == name and row[1] != "GPT-4o"]
        as_yes = [present(reconstruct(*row[2:5])).yes_share.low for row in rows]
        assert max(as_yes) - min(as_yes) < 0.007
        assert not 1 - max(as_yes) - 0.007 < YES_SHARE[name] < 1 - min(as_yes) + 0.007


@given(st.integers(1, 400), st.integers(0, 400), st.integers(1, 400), st.integers(1, 400))
def test_reconstruction_inverts_a_confusion(tp: int, fp: int, fn: int, tn: int) -> None:
    n = tp + fp + fn + tn
    found = present(reconstruct((tp + tn) / n, tp / (tp + fp), 2 * tp / (2 * tp + fp + fn)))
    assert found.tpr.low == pytest.approx(tp / (tp + fn))
    assert found.fpr.low == pytest.approx(fp / (fp + tn), abs=1e-9)
    assert found.yes_share.low == pytest.approx((tp + fn) / n)


@settings(max_examples=60)
@given(st.integers(20, 400), st.integers(5, 400), st.integers(20, 400), st.integers(20, 400))
def test_rounded_figures_contain_the_exact_rates(tp: int, fp: int, fn: int, tn: int) -> None:
    n = tp + fp + fn + tn
    acc, precision, f1 = (round(v, 3) for v in ((tp + tn) / n, tp / (tp + fp), 2 * tp / (2 * tp + fp + fn)))
    found = present(reconstruct(acc, precision, f1, rounding=ROUNDING))
    for rate, exact in zip(found, (tp / (tp + fn), fp / (fp + tn), (tp + fn) / n), strict=True):
        assert rate.low - 1e-9 <= exact <= rate.high + 1e-9


@pytest.mark.parametrize(
    ("proves", "figures"),
    [
        ("nothing wrong", (1.0, 1.0, 1.0)),
        ("nothing found", (0.6, 0.0, 0.0)),
        ("a corner of the rounding box is undetermined", (0.9998, 0.999, 0.9995)),
        ("figures that no confusion has", (0.2, 0.9, 0.9)),
    ],
)
def test_undetermined_rows(proves: str, figures: tuple[float, float, float]) -> None:
    assert reconstruct(*figures, rounding=ROUNDING) is None, proves
    assert check_row(*figures, auc=0.5) is None, proves


_scored = st.lists(st.tuples(st.booleans(), st.integers(0, 20).map(lambda k: k / 20)), min_size=2, max_size=40)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(rows=_scored, threshold=st.floats(0, 1))
def test_a_decision_that_follows_its_score_is_always_feasible(
    judged_rows: JudgedRows, rows: list[tuple[bool, float]], threshold: float
) -> None:
    records = judged_rows([("Yes" if y else "No", "Yes" if p > threshold else "No", p) for y, p in rows])
    verdict = check_records(records)
    if len({y for y, _ in rows}) == 1:
        assert verdict is None
    else:
        assert verdict in (Feasibility.OK, Feasibility.BELOW_HARD_LABEL)


def _run(
    judged_rows: JudgedRows, scores_of_yes: tuple[float, ...], scores_of_no: tuple[float, ...], **fields: Any
) -> list[JudgmentRecord]:
    rows = [("Yes", p) for p in scores_of_yes] + [("No", p) for p in scores_of_no]
    return judged_rows([(y, "Yes" if p > 0.5 else "No", p) for y, p in rows], **fields)


@pytest.mark.parametrize(
    ("proves", "scores_of_yes", "scores_of_no", "expected"),
    [
        ("a good score", (0.9, 0.8, 0.6, 0.3), (0.7, 0.4, 0.2, 0.1), Feasibility.OK),
        (
            "the lower bound is reached: inside each decision every No outranks",
            (0.6, 0.1),
            (0.9, 0.4),
            Feasibility.BELOW_HARD_LABEL,
        ),
        (
            "the upper bound is reached: inside each decision every Yes outranks",
            (0.9, 0.4),
            (0.6, 0.1),
            Feasibility.OK,
        ),
    ],
)
def test_bounds_are_reached(
    judged_rows: JudgedRows,
    proves: str,
    scores_of_yes: tuple[float, ...],
    scores_of_no: tuple[float, ...],
    expected: Feasibility,
) -> None:
    records = _run(judged_rows, scores_of_yes * 40, scores_of_no * 40)
    expected = Feasibility.BELOW_HARD_LABEL if expected == "below" else expected
    assert check_records(records) is expected, proves
    if "reached" in proves:
        auc = np.mean([y > n for y in scores_of_yes for n in scores_of_no])
        assert auc in [pytest.approx(bound) for bound in auc_bounds(tpr=0.5, fpr=0.5)], proves


@pytest.mark.parametrize(("images", "expected"), [(1, Feasibility.OK), (80, Feasibility.BELOW_HARD_LABEL)])
def test_a_score_is_called_worse_than_the_decision_only_where_it_is_clear(
    judged_rows: JudgedRows, images: int, expected: Feasibility
) -> None:
    """.75 from the decision and .5 from the score, in each of the images."""
    rows = [("Yes", "Yes", 0.6), ("Yes", "No", 0.1), ("No", "No", 0.2), ("No", "No", 0.4)] * images
    assert check_records(judged_rows(rows, per_image=4)) is expected


def test_a_score_worse_by_chance_is_not_called_so(judged_rows: JudgedRows) -> None:
    """Scores that know nothing beyond the decision: of 40 small runs many fall below it."""
    below = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = rng.random(30) < 0.5
        p = np.clip(0.5 + 0.25 * (truth - 0.5) + rng.normal(0, 0.3, 30), 0.01, 0.99)
        rows = [("Yes" if y else "No", "Yes" if s > 0.5 else "No", float(s)) for y, s in zip(truth, p, strict=True)]
        below += check_records(judged_rows(rows)) is Feasibility.BELOW_HARD_LABEL
    assert below <= 2


def test_a_score_of_the_other_class_is_caught(judged_rows: JudgedRows) -> None:
    """What the InternVL rows look like: P(No) taken for P(Yes)."""
    yes, no = (0.9, 0.8, 0.7, 0.3), (0.6, 0.3, 0.2, 0.1)
    rows = [("Yes", p) for p in yes] + [("No", p) for p in no]
    inverted = judged_rows([(y, "Yes" if p > 0.5 else "No", 1 - p) for y, p in rows])
    assert check_records(inverted) is Feasibility.INFEASIBLE


def test_unparsed_answers_are_left_out(judged_rows: JudgedRows) -> None:
    """Counted as wrong, they would push a sound run out of the bounds."""
    sound = [("Yes", "Yes", 0.9), ("No", "No", 0.1)] * 2
    unread = [("Yes", None, 0.95), ("No", None, 0.05)] * 8
    assert check_records(judged_rows(sound + unread)) is Feasibility.OK
    # recall = specificity = .2 with AUC 1 would be outside: 1 - .8 * .8 = .36
    assert check(1.0, Range(0.2, 0.2), Range(0.8, 0.8)) is Feasibility.INFEASIBLE


def test_rounding_only_forgives_rounding() -> None:
    exact = Range(0.5, 0.5)
    assert check(0.25, exact, exact) is Feasibility.BELOW_HARD_LABEL
    assert check(0.2496, exact, exact) is Feasibility.INFEASIBLE
    assert check(0.2496, exact, exact, rounding=ROUNDING) is Feasibility.BELOW_HARD_LABEL
    assert check(0.2494, exact, exact, rounding=ROUNDING) is Feasibility.INFEASIBLE


@pytest.mark.parametrize(
    ("auc", "verdict"),
    [
        (0.27, Feasibility.INFEASIBLE),  # lowest: .4 (1 - .3) = .28
        (0.29, Feasibility.BELOW_HARD_LABEL),
        (0.54, Feasibility.BELOW_HARD_LABEL),  # (1 + .4 - .3) / 2 = .55 for the least favourable rates
        (0.56, Feasibility.OK),
        (0.91, Feasibility.OK),
        (0.93, Feasibility.INFEASIBLE),  # highest: 1 - .2 (1 - .6) = .92
    ],
)
def test_ranges_of_rates_give_the_widest_bounds(auc: float, verdict: Feasibility) -> None:
    assert check(auc, Range(0.4, 0.6), Range(0.2, 0.3)) is verdict
