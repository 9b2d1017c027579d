"""Flaw rates of generators and their difference, from what was found in the images of each.

The flaw rate of a generator in a dimension is the mean P of its images, averaged within a prompt first; with a
calibration it is corrected for the P of labelled flawed and clean images, and estimates the share of flawed images::

    rate = (mean P - P_clean) / (P_flawed - P_clean)

Without the correction a difference comes out too small: P is never quite 0 for a clean image nor 1 for a flawed one, so
a generator with more flaws than the labelled images looks better than it is, and one with fewer worse. It holds where
P of a flawed image, and of a clean one, is as on the labelled images; where images with many flaws get a higher P than
those with one, generators that differ in that come out too far apart, and rates outside of 0 to 1, which tell of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qreal_tasks.metrics.significance import Power, estimate_power
from qreal_tasks.metrics.sums import FloatArray
from qreal_tasks.screening.calibration.record import LabelledMeans

_LEVEL = 0.95


@dataclass(frozen=True)
class FlawRate:
    """The flaw rate of one generator with its 95 % interval; all None when no image tells it."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Prompts, or images where they are not grouped by prompt."""


@dataclass(frozen=True)
class RateDifference:
    """Flaw rate of one generator minus that of another: above 0 the first is worse."""

    value: float | None
    low: float | None
    """None also where no prompt differs from another, which says nothing about chance."""
    high: float | None
    p_value: float | None
    """Two-sided, of a t test over prompts, with the variance that the interval has."""
    n: int
    """Prompts that both have; without pairs, of both together."""
    power: Power | None
    """What this many pairs can show; None without pairs."""


Values = Mapping[str, float]
"""Prompt (or name of an image) to what its images give in the mean."""


def estimate_rate(values: Values, means: LabelledMeans | None = None) -> FlawRate:
    """The flaw rate with a t interval over prompts.

    Args:
        means: for the correction; None for the plain mean.

    >>> rate = estimate_rate({"a": 0.1, "b": 0.3, "c": 0.2})
    >>> round(rate.value, 3), round(rate.low, 3), round(rate.high, 3)
    (0.2, -0.048, 0.448)
    """
    found = _as_array(values)
    if not len(found):
        return FlawRate(None, None, None, 0)
    mean = float(found.mean())
    variance = float(found.var(ddof=1)) / len(found) if len(found) > 1 else None
    if means is not None:
        mean, variance = _correct_rate(mean, variance, means)
    if not variance:
        return FlawRate(mean, None, None, len(found))
    reach = _quantile(len(found) - 1) * math.sqrt(variance)
    return FlawRate(mean, mean - reach, mean + reach, len(found))


def estimate_difference(
    first: Values, second: Values, means: LabelledMeans | None = None, *, paired: bool = True
) -> RateDifference:
    """First minus second, with a t interval and p-value over prompts.

    Args:
        means: for the correction; its own uncertainty widens the interval. The p-value is that of the plain means,
            whose difference is 0 exactly when the corrected one is.
        paired: by prompt, over those that both have; else the two are independent.

    >>> found = estimate_difference({"a": 0.5, "b": 0.9, "c": 0.7}, {"a": 0.4, "b": 0.5, "c": 0.3, "d": 1.0})
    >>> round(found.value, 3), found.n, round(found.p_value, 3)
    (0.3, 3, 0.095)
    """
    if paired:
        shared = sorted(first.keys() & second.keys())
        between = np.array([first[one] - second[one] for one in shared])
        n, degrees = len(between), len(between) - 1.0
        value = float(between.mean()) if n else None
        variance = float(between.var(ddof=1)) / n if n > 1 else None
    else:
        sides = [_as_array(first), _as_array(second)]
        n = len(sides[0]) + len(sides[1])
        value = float(sides[0].mean() - sides[1].mean()) if all(map(len, sides)) else None
        variance, degrees = _independent_variance(*sides)
    if value is None or not variance:
        if means is not None and value is not None:
            value = _as_difference(value / (means.flawed - means.clean))
        return RateDifference(value, None, None, None, n, None)
    p_value = _p_value(value / math.sqrt(variance), degrees)
    if means is not None:
        value, variance = _correct_difference(value, variance, means)
    error = math.sqrt(variance)
    reach = _quantile(degrees) * error
    power = estimate_power(value, error, n) if paired else None
    low, high = value - reach, value + reach
    if means is not None:
        value, low, high = map(_as_difference, (value, low, high))
    return RateDifference(value, low, high, p_value, n, power)


def _correct_rate(mean: float, variance: float | None, means: LabelledMeans) -> tuple[float, float | None]:
    """By the delta method, with the variances of both labelled means."""
    between = means.flawed - means.clean
    rate = (mean - means.clean) / between
    if variance is None:
        return rate, None
    of_flawed, both, of_clean = means.covariance
    labelled = rate**2 * of_flawed + 2 * rate * (1 - rate) * both + (1 - rate) ** 2 * of_clean
    return rate, (variance + labelled) / between**2


def _correct_difference(value: float, variance: float, means: LabelledMeans) -> tuple[float, float]:
    between = means.flawed - means.clean
    of_flawed, both, of_clean = means.covariance
    corrected = value / between
    return corrected, (variance + corrected**2 * (of_flawed - 2 * both + of_clean)) / between**2


def _as_difference(value: float) -> float:
    """No difference of two shares is beyond 1; the correction may give one."""
    return min(1.0, max(-1.0, value))


def _independent_variance(first: FloatArray, second: FloatArray) -> tuple[float | None, float]:
    """Variance of the difference of two independent means, and its degrees of freedom: Welch's, or Student's of both
    groups together, whichever makes the wider interval.

    P is near 0 or 1 for most images. The images of a small group then often vary less than those of its generator, and
    Welch's interval, which takes the group at its word, is far too short; where the rates differ Student's may be.
    """
    n, others = len(first), len(second)
    if min(n, others) < 2:
        return None, 0.0
    parts = [float(one.var(ddof=1)) / len(one) for one in (first, second)]
    variance = sum(parts)
    if not variance:
        return None, 0.0
    welch = variance, variance**2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (others - 1))
    degrees = n + others - 2.0
    squares = (n - 1) * n * parts[0] + (others - 1) * others * parts[1]
    student = squares / degrees * (1 / n + 1 / others), degrees
    return max(welch, student, key=lambda one: _quantile(one[1]) * math.sqrt(one[0]))


def _as_array(values: Values) -> FloatArray:
    return np.array([values[one] for one in sorted(values)], dtype=np.float64)


def _quantile(degrees: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + _LEVEL) / 2))


def _p_value(t: float, degrees: float) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(degrees, -abs(t)))
