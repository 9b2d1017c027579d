"""The bootstrap: variance, clustering, pairing, reproducibility, undefined resamples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from typed import FloatArray, JudgedRows, RandomJudged, Row, present

from qreal_tasks.metrics import bootstrap, ranking
from qreal_tasks.metrics.bootstrap import (
    Difference,
    Estimate,
    estimate_differences,
    estimate_intervals,
    resample_weights,
)
from qreal_tasks.metrics.judgment import JudgmentTable


def _answers(n: int, wrong_every: int) -> list[Row]:
    return [("Yes", "No" if i % wrong_every == 0 else "Yes") for i in range(n)]


def _width(found: Estimate | Difference) -> float:
    return present(found.high) - present(found.low)


def test_independent_items_give_the_analytic_interval(judged_rows: JudgedRows) -> None:
    n, acc = 400, 0.75
    found = estimate_intervals(JudgmentTable.of(judged_rows(_answers(n, 4))))["acc"]
    half = 1.96 * math.sqrt(acc * (1 - acc) / n)
    assert (found.value, found.n, found.undefined) == (acc, n, 0)
    assert _width(found) == pytest.approx(2 * half, rel=0.06)
    assert (present(found.high) + present(found.low)) / 2 == pytest.approx(acc, abs=0.005)


def test_clustering_widens_the_interval_by_the_root_of_the_cluster_size(judged_rows: JudgedRows) -> None:
    """Four entities an image, all right or all wrong: 400 items are worth 100."""
    alone = estimate_intervals(JudgmentTable.of(judged_rows(_answers(400, 4))))["acc"]
    images = [row for row in _answers(100, 4) for _ in range(4)]
    clustered = estimate_intervals(JudgmentTable.of(judged_rows(images, per_image=4)))["acc"]
    assert clustered.value == alone.value
    assert _width(clustered) / _width(alone) == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(("p_value", "worse_by"), [("large", 0), ("small", 40)])
def test_paired_difference(judged_rows: JudgedRows, p_value: str, worse_by: int) -> None:
    first = _answers(200, 4)
    second = [("Yes", "No") if i % 4 == 1 and i < 4 * worse_by else row for i, row in enumerate(first)]
    a, b = (JudgmentTable.of(judged_rows(rows)) for rows in (first, second))
    found = estimate_differences([a, b], resamples=1000)[0]["acc"]
    assert found.value == pytest.approx(worse_by / 200)
    if worse_by:
        assert 0 < present(found.low) < present(found.value) < present(found.high)
        assert found.p_value == pytest.approx(2 / 1001)
        assert estimate_differences([b, a], resamples=1000)[0]["acc"].value == pytest.approx(-present(found.value))
    else:
        assert (found.low, found.high, found.p_value) == (0, 0, 1)


def test_pairing_is_tighter_than_two_independent_intervals(judged_rows: JudgedRows) -> None:
    first = _answers(200, 4)
    second = [("Yes", "No") if i < 10 else row for i, row in enumerate(first)]
    a, b = (JudgmentTable.of(judged_rows(rows)) for rows in (first, second))
    paired, single = (
        estimate_differences([a, b], resamples=1000)[0]["acc"],
        estimate_intervals(a, resamples=1000)["acc"],
    )
    assert _width(paired) < _width(single) * 0.7


def test_p_value_of_a_symmetric_difference(judged_rows: JudgedRows) -> None:
    """Each run is right where the other is wrong: value 0, p near 1, interval around 0."""
    rows = [("Yes", "Yes" if i % 2 else "No") for i in range(100)]
    mirrored = [("Yes", "No" if i % 2 else "Yes") for i in range(100)]
    found = estimate_differences([JudgmentTable.of(judged_rows(r)) for r in (rows, mirrored)], resamples=2000)[0]["acc"]
    assert found.value == 0
    assert present(found.p_value) > 0.9
    assert present(found.low) < -0.1 < 0.1 < present(found.high)


def test_weights_are_multinomial_draws() -> None:
    weights = np.concatenate(list(resample_weights(5, resamples=20_000, seed=3)))
    assert weights.shape == (20_000, 5)
    assert set(weights.sum(axis=1)) == {5}
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.03)
    assert weights.var(axis=0) == pytest.approx(0.8, abs=0.04)  # n p (1 - p) with n 5, p 1/5
    assert np.corrcoef(weights.T)[0, 1] == pytest.approx(-0.25, abs=0.03)


def test_seed_decides_and_block_size_does_not(random_judged: RandomJudged, monkeypatch: pytest.MonkeyPatch) -> None:
    records = random_judged(1)
    first = estimate_intervals(JudgmentTable.of(records), resamples=300, seed=5)
    assert estimate_intervals(JudgmentTable.of(records), resamples=300, seed=5) == first
    assert estimate_intervals(JudgmentTable.of(records), resamples=300, seed=6)["auc"] != first["auc"]
    monkeypatch.setattr(bootstrap, "_CELLS", 7 * 15)
    monkeypatch.setattr(ranking, "_CELLS", 60)
    blocks = [len(w) for w in resample_weights(15, resamples=300, seed=5)]
    assert max(blocks) == 7
    assert sum(blocks) == 300
    for metric, estimate in estimate_intervals(JudgmentTable.of(records), resamples=300, seed=5).items():
        assert estimate.low == pytest.approx(first[metric].low, abs=1e-12), metric


def test_undefined_resamples_are_left_out_and_reported(judged_rows: JudgedRows) -> None:
    """One positive in four images: recall is undefined in (3/4)^4 of the resamples."""
    rows = [("Yes", "Yes"), ("No", "No"), ("No", "No"), ("No", "Yes")]
    found = estimate_intervals(JudgmentTable.of(judged_rows(rows)), resamples=20_000)
    assert found["recall"].undefined == pytest.approx(0.75**4, abs=0.02)
    assert (found["recall"].low, found["recall"].high) == (1, 1)
    assert found["acc"].undefined == 0


@pytest.mark.parametrize(
    ("proves", "rows", "metric", "value"),
    [
        ("one image cannot vary", [("Yes", "Yes")], "acc", 1.0),
        ("no image", [], "acc", None),
        ("undefined in every resample", [("Yes", "Yes"), ("Yes", "No")], "specificity", None),
    ],
)
def test_no_interval(judged_rows: JudgedRows, proves: str, rows: list[Row], metric: str, value: float | None) -> None:
    found = estimate_intervals(JudgmentTable.of(judged_rows(rows)), resamples=50)[metric]
    assert (found.value, found.low, found.high) == (value, None, None), proves
    table = JudgmentTable.of(judged_rows(rows))
    assert estimate_differences([table, table], resamples=50)[0][metric].p_value is None, proves


def test_refusals(judged_rows: JudgedRows) -> None:
    a, b = (JudgmentTable.of(judged_rows([("Yes", "Yes")] * n)) for n in (2, 3))
    with pytest.raises(ValueError, match="image i2: only in one of the two runs"):
        estimate_differences([a, b])
    with pytest.raises(ValueError, match="resamples is 0"):
        estimate_intervals(a, resamples=0)


class _Constant:
    """A statistic that is the same in every resample."""

    image_ids = ("a", "b")

    def __init__(self, value: float) -> None:
        self.value = value

    def point(self) -> dict[str, float | None]:
        return {"m": self.value}

    def resampled(self, weights: FloatArray) -> dict[str, FloatArray]:
        return {"m": np.full(len(weights), self.value)}


def test_rounding_of_sums_is_no_difference() -> None:
    """.1 + .2 is not .3 in binary; a run must not win by that in every resample."""
    assert estimate_differences([_Constant(0.1 + 0.2), _Constant(0.3)], resamples=100)[0]["m"].p_value == 1
    assert present(estimate_differences([_Constant(0.31), _Constant(0.3)], resamples=100)[0]["m"].p_value) < 0.05
