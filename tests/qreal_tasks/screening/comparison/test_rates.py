"""Flaw rates and their difference: numbers that can be checked by hand, and simulations with known truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from qreal_tasks.metrics.significance import holm
from qreal_tasks.screening.calibration.fit import LabelledImage, fit_dimension
from qreal_tasks.screening.calibration.record import LabelledMeans
from qreal_tasks.screening.comparison.rates import RateDifference, estimate_difference, estimate_rate

KNOWN = LabelledMeans(flawed=0.8, clean=0.2, covariance=(0.0, 0.0, 0.0))
REPEATS = 500


def test_pairs_and_p_value_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.uniform(size=40), rng.uniform(size=40) * 0.8
    a, b = ({f"{at}": float(p) for at, p in enumerate(side)} for side in (first, second))
    found = estimate_difference(a, b | {"alone": 1.0})
    expected = stats.ttest_rel(first, second)
    assert found.n == 40
    assert found.value == pytest.approx(float(np.mean(first - second)))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval(0.95))
    found = estimate_difference(a, b, paired=False)
    expected = stats.ttest_ind(first, second, equal_var=False)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval(0.95))


def test_of_unequal_groups_the_wider_interval_counts() -> None:
    """Five images that happen to be alike are no proof that their generator makes no others."""
    many, few, odd = [0.01, 0.99] * 20, [0.01, 0.011, 0.012, 0.01, 0.013], [0.01, 0.99, 0.01, 0.99, 0.01]
    for first, second, equal_var in ((many, few, True), ([0.01] * 39 + [0.02], odd, False)):
        a, b = ({f"{at}": p for at, p in enumerate(side)} for side in (first, second))
        found = estimate_difference(a, b, paired=False)
        expected = stats.ttest_ind(first, second, equal_var=equal_var)
        assert found.p_value == pytest.approx(expected.pvalue)
        assert (found.low, found.high) == pytest.approx(expected.confidence_interval(0.95))


@pytest.mark.parametrize("n_few", [5, 20])
@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_equal_generators_of_unequal_counts_are_called_different_in_at_most_5_of_100_repeats(
    n_few: int, rate: float
) -> None:
    rng = np.random.default_rng(n_few)
    different = 0
    for _ in range(REPEATS):
        flawed = rng.random(100 + n_few) < rate
        p = np.where(flawed, rng.beta(20, 0.5, len(flawed)), rng.beta(0.5, 20, len(flawed)))
        a, b = ({f"{at}": float(one) for at, one in enumerate(side)} for side in (p[:100], p[100:]))
        found = estimate_difference(a, b, paired=False)
        different += found.p_value is not None and found.p_value <= 0.05
    assert different / REPEATS <= 0.06


def test_the_correction_turns_mean_p_into_a_share() -> None:
    half = {f"{at}": p for at, p in enumerate([0.8, 0.2] * 20)}  # P of labelled images: half of them are flawed
    rate = estimate_rate(half, KNOWN)
    assert rate.value == pytest.approx(0.5)
    plain = estimate_difference(half, dict.fromkeys(half, 0.2))
    corrected = estimate_difference(half, dict.fromkeys(half, 0.2), KNOWN)
    assert plain.value == pytest.approx(0.3)
    assert corrected.value == pytest.approx(0.5)
    assert corrected.p_value == plain.p_value
    unsure = LabelledMeans(flawed=0.8, clean=0.2, covariance=(0.01, 0.0, 0.01))
    wider = estimate_difference(half, dict.fromkeys(half, 0.2), unsure)
    assert wider.value == corrected.value
    assert _width(wider) > _width(corrected)


def _width(found: RateDifference) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


@pytest.mark.parametrize("paired", [True, False])
def test_what_does_not_vary_has_no_interval(paired: bool) -> None:
    none = {"a": 0.0, "b": 0.0}
    found = estimate_difference(none, none, paired=paired)
    assert (found.value, found.low, found.p_value) == (0.0, None, None)
    assert estimate_difference({}, none, paired=paired).value is None
    assert estimate_difference({"a": 0.1}, {"a": 0.2}, paired=paired).low is None
    assert estimate_rate({}).value is None
    assert estimate_rate({"a": 0.3}).low is None


# Simulations: images are flawed at a known rate that differs by prompt; the model sees a noisy score and gives a P that
# is honest where the share of flawed images is that of the labelled set. All draws are NumPy.

SEPARATION = 2.0
"""Distance of the scores of flawed and clean images, in standard deviations: AUC .92."""
LABELLED_RATE = 0.4


def _draw(
    rng: np.random.Generator, rate: float, difficulty: np.ndarray, per_prompt: int
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each image is flawed, and P: (n_prompts, per_prompt)."""
    probability = stats.norm.cdf(stats.norm.ppf(rate) * np.sqrt(1.25) + 0.5 * difficulty)  # mean: rate
    flawed = rng.random((len(difficulty), per_prompt)) < probability[:, None]
    score = rng.normal(size=flawed.shape) + SEPARATION * flawed
    odds = np.log(LABELLED_RATE / (1 - LABELLED_RATE))
    return flawed, 1 / (1 + np.exp(-(SEPARATION * score - SEPARATION**2 / 2 + odds)))


def _calibrate(rng: np.random.Generator) -> Callable[[np.ndarray], dict[str, float]]:
    """Labels of 400 images of 200 prompts: the function that gives calibrated P by prompt, and the labelled means."""
    flawed, p = _draw(rng, LABELLED_RATE, rng.normal(size=200), 2)
    images = [LabelledImage(float(p[at, one]), bool(flawed[at, one]), str(at)) for at in range(200) for one in range(2)]
    fitted = fit_dimension(images, "recall", 0.8, resamples=1)

    def by_prompt(raw: np.ndarray) -> dict[str, float]:
        tempered = 1 / (1 + np.exp(-np.log(raw / (1 - raw)) / fitted.temperature - fitted.shift))
        return {str(at): float(mean) for at, mean in enumerate(tempered.mean(axis=1))}

    by_prompt.means = fitted.means  # type: ignore[attr-defined]
    return by_prompt


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_prompts", "per_prompt", "old", "new"),
    [(100, 1, 0.3, 0.3), (150, 2, 0.1, 0.25), (200, 1, 0.5, 0.3), (300, 4, 0.2, 0.4)],
)
def test_the_interval_covers_the_true_difference_in_95_of_100_repeats(
    n_prompts: int, per_prompt: int, old: float, new: float
) -> None:
    rng = np.random.default_rng(int(1000 * (new + old)) + n_prompts)
    covered = plain = 0
    for _ in range(REPEATS):
        by_prompt = _calibrate(rng)
        difficulty = rng.normal(size=n_prompts)  # of the prompt, the same for both
        before, after = (by_prompt(_draw(rng, rate, difficulty, per_prompt)[1]) for rate in (old, new))
        found = estimate_difference(after, before, by_prompt.means)  # type: ignore[attr-defined]
        covered += _covers(found, new - old)
        plain += _covers(estimate_difference(after, before), new - old)
    assert 0.93 <= covered / REPEATS <= 0.97, covered / REPEATS
    if n_prompts * per_prompt > 1000:
        assert plain / REPEATS < 0.2, "the mean of P alone does not estimate a share of flawed images"


def _covers(found: RateDifference, truth: float) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_prompts", "per_prompt", "rate", "paired"),
    [(100, 1, 0.3, True), (150, 4, 0.1, True), (100, 2, 0.3, False)],
)
def test_equal_generators_are_called_different_in_at_most_5_of_100_repeats(
    n_prompts: int, per_prompt: int, rate: float, paired: bool
) -> None:
    """In either of two dimensions, by the corrected p-value: what the conclusion goes by."""
    rng = np.random.default_rng(n_prompts + paired)
    different = 0
    repeats = 4 * REPEATS
    for _ in range(repeats):
        p_values = []
        for _ in range(2):
            first = rng.normal(size=n_prompts)
            second = first if paired else rng.normal(size=n_prompts)
            sides = [_draw(rng, rate, one, per_prompt)[1].mean(axis=1) for one in (first, second)]
            a, b = ({str(at): float(p) for at, p in enumerate(side)} for side in sides)
            p_values.append(estimate_difference(a, b, paired=paired).p_value)
        different += min(p for p in holm(p_values) if p is not None) <= 0.05
    standard_error = np.sqrt(0.05 * 0.95 / repeats)
    assert 0.03 < different / repeats < 0.05 + 3 * standard_error, different / repeats
