"""What a difference between two runs is worth: many tests, flipped answers, and how many images it would take.

All of it rests on ``bootstrap.Difference``, whose ``error`` is the standard error of a difference that was paired by
image; nothing here assumes that entities of one image are independent, except ``mcnemar``, which says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

SIGNIFICANCE = 0.05
POWER = 0.8


@dataclass(frozen=True)
class Power:
    """What the present number of images can show, and how many would show the difference that was seen."""

    detectable: float
    """Smallest true difference that is found with 80 % power."""
    images_needed: int | None
    """For 80 % power if the difference seen is the true one; None when none was seen."""


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected by Holm's step-down method: below .05 with a family-wise error of at most 5 %.

    With the ``m`` defined values in ascending order, ``corrected_i = max over j <= i of min(1, (m - j + 1) p_j)``.
    It holds whatever the tests have to do with each other. Undefined values stay None and are no tests.

    >>> holm([0.01, 0.04, 0.03, None, 0.005])  # 3 x .01, 1 x .04 raised to .06, 2 x .03, 4 x .005
    [0.03, 0.06, 0.06, None, 0.02]
    """
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        corrected[place] = highest
    return corrected


def mcnemar(worse: int, better: int) -> float | None:
    """Exact two-sided p-value that answers flip in both directions alike (McNemar's test).

    Given ``worse + better`` flips, their number in one direction is binomial with share 1/2. None without a flip. It
    counts entities as independent, which those of one image are not: where flips come in clusters the p-value is too
    small, and that of the accuracy's difference, resampled by image, is the one to trust.

    >>> mcnemar(1, 5)  # 2 (1 + 6) / 64
    0.21875
    """
    from scipy.stats import binomtest

    if worse + better == 0:
        return None
    return float(binomtest(worse, worse + better, 0.5).pvalue)


def estimate_power(difference: float | None, error: float | None, n_images: int) -> Power | None:
    """What a paired two-sided test at 5 % can show, by the normal approximation.

    The paired difference of one image has the variance ``s^2 = n error^2``; with ``z = z(.975) + z(.80) = 2.802``::

        smallest detectable difference with n images    z s / sqrt(n) = z error
        images needed to find a difference d            (z s / d)^2   = n (z error / d)^2

    The second takes the difference seen for the true one, which it is only roughly: a difference that just happened to
    come out large asks for too few images.

    Args:
        difference: as seen on ``n_images`` images.
        error: its standard error, ``Difference.error``.

    Returns:
        None where the difference is undefined, and where its error is 0: images that do not vary say nothing about
        how many it would take.

    >>> found = estimate_power(0.02, 0.01, 400)  # (2.802 x .01 / .02)^2 = 1.962 times as many images
    >>> round(found.detectable, 5), found.images_needed
    (0.02802, 785)
    """
    if difference is None or not error:
        return None
    z = NormalDist().inv_cdf(1 - SIGNIFICANCE / 2) + NormalDist().inv_cdf(POWER)
    needed = None if difference == 0 else max(2, math.ceil(n_images * (z * error / difference) ** 2))
    return Power(z * error, needed)
