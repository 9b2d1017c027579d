"""Corrected p-values, McNemar's test and power, against hand-worked values, SciPy and simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binom
from typed import present

from qreal_tasks.metrics.significance import estimate_power, holm, mcnemar


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        ([None, None], [None, None]),
        ([0.04], [0.04]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([0.9, 0.01], [0.9, 0.02]),
        ([0.5, 0.6, 0.7], [1.0, 1.0, 1.0]),
        # Holm (1979) by hand: 4 x .01, 3 x .02, 2 x .04 = .08, 1 x .045 raised to .08
        ([0.045, 0.01, 0.04, 0.02], [0.08, 0.04, 0.08, 0.06]),
    ],
)
def test_holm_by_hand(given: list[float | None], expected: list[float | None]) -> None:
    assert holm(given) == pytest.approx(expected)


def test_holm_keeps_order_and_lies_between_none_and_bonferroni() -> None:
    p = np.random.default_rng(0).random(30) ** 3
    corrected = np.array(holm(p.tolist()), dtype=float)
    assert np.all(np.diff(corrected[np.argsort(p)]) >= 0)
    assert np.all(corrected >= p)
    assert np.all(corrected <= np.minimum(1, len(p) * p))


def test_holm_keeps_the_family_wise_error() -> None:
    rng = np.random.default_rng(1)
    false_alarms = [min(map(present, holm(rng.random(20).tolist()))) <= 0.05 for _ in range(2000)]
    assert 0.035 < np.mean(false_alarms) < 0.065


@pytest.mark.parametrize(("worse", "better"), itertools.product((0, 1, 4, 9), (0, 2, 5, 12)))
def test_mcnemar_is_the_exact_binomial_test(worse: int, better: int) -> None:
    n = worse + better
    tail = 2 * binom.cdf(min(worse, better), n, 0.5)
    assert mcnemar(worse, better) == (pytest.approx(min(1, tail)) if n else None)
    assert mcnemar(worse, better) == mcnemar(better, worse)


def test_power_is_what_a_simulated_test_has() -> None:
    """Paired differences with mean .03 and deviation .2: found in 80 % of the samples of the size asked for."""
    mean, deviation, n = 0.03, 0.2, 100
    found = estimate_power(mean, deviation / n**0.5, n)
    assert found is not None
    assert found.images_needed == 349  # (2.8016 x .2 / .03)^2 = 348.8
    drawn = np.random.default_rng(2).normal(mean, deviation, (4000, found.images_needed))
    z = drawn.mean(axis=1) / (deviation / found.images_needed**0.5)
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.8, abs=0.02)
    drawn = np.random.default_rng(3).normal(found.detectable, deviation, (4000, n))
    assert np.mean(np.abs(drawn.mean(axis=1)) > 1.96 * deviation / n**0.5) == pytest.approx(0.8, abs=0.02)


def test_power_of_what_is_undefined_or_no_difference() -> None:
    assert estimate_power(None, 0.1, 10) is None
    assert estimate_power(0.1, None, 10) is None
    none = estimate_power(0.0, 0.1, 10)
    assert none is not None
    assert none.images_needed is None
    assert none.detectable > 0.28


def test_power_without_variation_is_unknown_and_two_images_are_the_fewest() -> None:
    assert estimate_power(0.1, 0.0, 10) is None
    assert estimate_power(0.0, 0.0, 10) is None
    tiny = estimate_power(0.5, 1e-6, 10)
    assert tiny is not None
    assert tiny.images_needed == 2
