"""Alpha against the `krippendorff` package, and every measure against tables that were computed by hand."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest

from annotation.merging.alpha import (
    AgreementMeasures,
    Share,
    VoteTable,
    coincidence_matrices,
    krippendorff_alpha,
)
from qreal_tasks.metrics.bootstrap import estimate_intervals
from qreal_tasks.metrics.sums import FloatArray

X = np.nan


def random_table(rng: np.random.Generator, values: int) -> FloatArray:
    """(entities, annotators) with missing votes, at least two different values."""
    while True:
        shape = rng.integers(3, 40), rng.integers(2, 7)
        table = rng.choice(values, size=shape, p=rng.dirichlet(np.ones(values))).astype(float)
        table[rng.random(shape) < rng.choice([0.0, 0.3, 0.7])] = np.nan
        paired = table[(~np.isnan(table)).sum(axis=1) > 1]
        if len(np.unique(paired[~np.isnan(paired)])) > 1:
            return table


@pytest.mark.parametrize("values", [2, 3, 5])
def test_alpha_equals_the_package(values: int) -> None:
    rng = np.random.default_rng(values)
    for _ in range(100):
        table = random_table(rng, values)
        counts = np.stack([(table == value).sum(axis=1) for value in range(values)], axis=1)
        expected = krippendorff.alpha(reliability_data=table.T, level_of_measurement="nominal")
        assert float(krippendorff_alpha(coincidence_matrices(counts).sum(axis=0))) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param(
            # Pairs: 3 of 3, 1 of 3, 1 of 1, none: 5 of 7. Units with two votes or more hold five Yes and three No, and
            # o_01 = o_10 = 2 * 1 / 2: alpha = 1 - (8 - 1) * 2 / (2 * 5 * 3).
            [[1, 1, 1], [1, 0, 1], [X, 0, 0], [1, X, X]],
            {"percent_agreement": 5 / 7, "unanimous": 2 / 3, "alpha": 1 - 7 * 2 / 30, "prevalence": 6 / 9},
            id="missing votes",
        ),
        pytest.param(
            [[1, 1, 1], [1, 1, 1]],
            {"percent_agreement": 1.0, "unanimous": 1.0, "alpha": None, "prevalence": 1.0},
            id="all Yes: alpha is undefined",
        ),
        pytest.param(
            [[1, 1], [0, 0], [0, 0], [1, 0]],
            {"percent_agreement": 3 / 4, "unanimous": 3 / 4, "alpha": 1 - 7 * 2 / 30, "prevalence": 3 / 8},
            id="two annotators",
        ),
        pytest.param(
            [[1, 1, 1], [X, X, X], [0, 0, 0]],
            {"percent_agreement": 1.0, "unanimous": 1.0, "alpha": 1.0, "prevalence": 0.5},
            id="an entity that all dropped",
        ),
        pytest.param(
            [[1, X], [X, 0]],
            {"percent_agreement": None, "unanimous": None, "alpha": None, "prevalence": 0.5},
            id="no entity has two votes",
        ),
    ],
)
def test_by_hand(table: list[list[float]], expected: dict[str, float | None]) -> None:
    found = AgreementMeasures(
        VoteTable(tuple(f"image{row}" for row in range(len(table))), np.array(table, dtype=float))
    ).point()
    assert found == {name: None if value is None else pytest.approx(value) for name, value in expected.items()}


def test_intervals_are_by_image() -> None:
    """Entities of one image agree or differ together: drawn as images the interval is wider than as entities."""
    rng = np.random.default_rng(1)
    table = np.repeat(rng.integers(0, 2, (30, 3)), 8, axis=0).astype(float)
    by_image = AgreementMeasures(VoteTable(tuple(f"image{row // 8}" for row in range(240)), table))
    by_entity = AgreementMeasures(VoteTable(tuple(f"image{row}" for row in range(240)), table))
    one = estimate_intervals(by_image, resamples=500)["percent_agreement"]
    other = estimate_intervals(by_entity, resamples=500)["percent_agreement"]
    assert one.value == other.value
    assert None not in (one.low, one.high, other.low, other.high)
    assert one.high - one.low > 2 * (other.high - other.low)  # type: ignore[operator]


def test_a_weight_of_two_is_the_image_twice() -> None:
    rng = np.random.default_rng(2)
    table = rng.integers(0, 2, (20, 3)).astype(float)
    images = tuple(f"image{row // 4}" for row in range(20))
    weights = np.array([[2.0, 1.0, 0.0, 1.0, 1.0]])
    drawn = np.concatenate([table[:8], table[:4], table[12:]])
    expected = AgreementMeasures(VoteTable(tuple(map(str, range(20))), drawn)).point()
    found = AgreementMeasures(VoteTable(images, table)).resampled(weights)
    assert {name: float(value[0]) for name, value in found.items()} == pytest.approx(expected)


def test_share_leaves_out_what_was_not_asked() -> None:
    share = Share(["a", "a", "b"], [1.0, np.nan, 0.0])
    assert (share.n, share.point()) == (2, {"share": 0.5})
    assert Share(["a"], [np.nan]).point() == {"share": None}
