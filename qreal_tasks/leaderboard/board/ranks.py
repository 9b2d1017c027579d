"""Ranks by significance: models that cannot be told apart share a range of ranks.

Every two models are compared on the same drawn images. The p-value of a difference is two-sided and normal, with the
standard error of the paired bootstrap: counting draws alone stops at 1 in 5,000, too coarse for a correction over
thousands of pairs. Holm's correction is over all pairs of the column. A model's best rank is one more than the number
of models that are significantly better, its worst rank the number of models less those significantly worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from qreal_tasks.metrics.significance import holm
from qreal_tasks.metrics.sums import FloatArray

LEVEL = 0.05

_ROUNDING = 1e-7
"""Below it a standard error is rounding of the sums: the two models gave the same answers."""

_DRAWS_AT_A_TIME = 1_000
"""More of a thousand models at once would take gigabytes."""


@dataclass(frozen=True)
class Rank:
    """A range of ranks, both ends included."""

    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def compute_rank_ranges(values: Sequence[float], draws: FloatArray, level: float = LEVEL) -> list[Rank]:
    """The range of each model.

    Args:
        values: (k,) the metric of each model, higher is better.
        draws: (k, resamples) the same metric on the same drawn images; nan where it is undefined.

    >>> rng = np.random.default_rng(0)
    >>> shared = rng.normal(0, 0.02, 1000)
    >>> near = [0.7 + shared, 0.699 + shared + rng.normal(0, 0.01, 1000), 0.5 + shared]
    >>> [str(rank) for rank in compute_rank_ranges([0.7, 0.699, 0.5], np.array(near))]
    ['1–2', '1–2', '3']
    """
    k = len(values)
    if k == 0:
        return []
    point = np.asarray(values, dtype=np.float64)
    difference = point[:, None] - point[None, :]
    significant = find_differing(compute_p_values(difference, draws), level)
    worse_than = significant & (difference < 0)
    better, worse = worse_than.sum(axis=1), worse_than.sum(axis=0)
    return [Rank(int(better[i]) + 1, k - int(worse[i])) for i in range(k)]


def compute_p_values(difference: FloatArray, draws: FloatArray) -> FloatArray:
    """(k, k) two-sided p-values of ``difference``, with the standard errors of the paired draws."""
    error = compute_standard_errors(draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(difference) / error
    z = np.where(error > 0, z, np.where(difference == 0, 0.0, np.inf))
    found: FloatArray = 2 * ndtr(-z)
    return found


def compute_standard_errors(draws: FloatArray) -> FloatArray:
    """(k, k) standard deviation of the difference of every two rows, over the draws in which both are defined."""
    defined = ~np.isnan(draws)
    middle = np.nanmean(
        np.where(defined.any(axis=1, keepdims=True), draws, 0.0), axis=1, keepdims=True, dtype=np.float64
    )
    n, mean, square, product = np.zeros((4, len(draws), len(draws)))
    for first in range(0, draws.shape[1], _DRAWS_AT_A_TIME):
        part = slice(first, first + _DRAWS_AT_A_TIME)
        centred = np.where(defined[:, part], draws[:, part].astype(np.float64) - middle, 0.0)
        mask = defined[:, part].astype(np.float64)
        n += mask @ mask.T
        mean += centred @ mask.T
        square += centred**2 @ mask.T
        product += centred @ centred.T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, square, product = mean / n, square / n, product / n
        variance = square + square.T - 2 * product - (mean - mean.T) ** 2
    found: FloatArray = np.sqrt(np.clip(np.where(n > 1, variance, np.inf), 0.0, None))
    return np.where(found < _ROUNDING, 0.0, found)


def find_differing(p: FloatArray, level: float = LEVEL) -> np.ndarray:
    """(k, k) whether a pair differs, with Holm's correction over all pairs above the diagonal.

    >>> find_differing(np.array([[1, 0.001, 0.03], [0.001, 1, 0.04], [0.03, 0.04, 1]])).tolist()
    [[False, True, False], [True, False, False], [False, False, False]]
    """
    upper = np.triu_indices(len(p), 1)
    corrected = np.array(holm(p[upper].tolist()), dtype=np.float64)
    found = np.zeros(p.shape, dtype=bool)
    found[upper] = corrected <= level
    return found | found.T
