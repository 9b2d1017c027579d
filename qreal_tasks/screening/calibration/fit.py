"""Fitting a calibration: temperature and shift of P, and the threshold that reaches a precision or a recall.

fitted = fit_dimension(images, "precision", 0.9)

Every number has a 95 % interval from a bootstrap that draws whole prompts, since images of one prompt resemble each
other. The threshold stays where it is in all draws: that it was chosen on the same images makes its precision look
better by two to ten thousandths on 200 to 1,000 images (simulated), far less than the interval is wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from qreal_tasks.metrics.bootstrap import RESAMPLES, Estimate, estimate_intervals
from qreal_tasks.metrics.judgment import CALIBRATION_BINS
from qreal_tasks.metrics.sums import FloatArray
from qreal_tasks.pages.numbers import decimals, with_interval
from qreal_tasks.screening.calibration.labelled_sums import LabelledSums
from qreal_tasks.screening.calibration.record import (
    DimensionCalibration,
    FittedValue,
    GoalName,
    LabelledMeans,
    Reliability,
    ReliabilityBin,
    TemperatureAlone,
    temper,
)

FEWEST_OF_EACH = 20
"""Flawed images, and clean ones, below which nothing is fitted."""
FEWEST_PROMPTS = 10
FEWEST_FLAGGED = 10
"""Flagged images below which a precision is chance."""
_LOWEST, _HIGHEST = 0.1, 20.0
"""Temperatures looked at. P that tells flawed from clean perfectly has none: the colder the better."""
_LARGEST_SHIFT = 100.0
_CUT = 1e-4
"""For the fit, P nearer to 0 or 1 counts as that: else one sure mistake decides the temperature of all."""
_ROUNDING = 1e-9


class CalibrationError(ValueError):
    """Nothing can be fitted, or the goal is out of reach; the message says what would be in reach."""


@dataclass(frozen=True)
class LabelledImage:
    """An image with the model's probability of a flaw in a dimension, and what people say."""

    p: float
    flawed: bool
    prompt: str


class Scaling(NamedTuple):
    """What becomes of the logit of P: it is divided by the temperature, then the shift is added."""

    temperature: float
    shift: float


def fit_dimension(
    images: Sequence[LabelledImage], goal: GoalName, wanted: float, *, resamples: int = RESAMPLES
) -> DimensionCalibration:
    """Fit temperature and shift, and the threshold on calibrated P.

    For a precision it is the lowest threshold that reaches it with at least ``FEWEST_FLAGGED`` flagged images, so that
    as many flawed images as possible are found; for a recall the highest, so that as few clean ones as possible are
    flagged.

    Raises:
        CalibrationError: too few images are flawed, or clean, or of too few prompts; P does not tell them apart; no
            threshold reaches the precision.
    """
    flawed = np.array([one.flawed for one in images], dtype=bool)
    n_flawed, n_clean = int(flawed.sum()), int((~flawed).sum())
    if min(n_flawed, n_clean) < FEWEST_OF_EACH:
        raise CalibrationError(
            f"{n_flawed:,} flawed and {n_clean:,} clean images, expected at least {FEWEST_OF_EACH} of each; "
            "label more images, or take another split"
        )
    if (n_prompts := len({one.prompt for one in images})) < FEWEST_PROMPTS:
        raise CalibrationError(f"images of {n_prompts} prompts, expected at least {FEWEST_PROMPTS}")
    before = np.array([one.p for one in images], dtype=np.float64)
    scaling, alone = fit_scaling(before, flawed), fit_scaling(before, flawed, with_shift=False)
    after, tempered = (np.array([temper(p, *one) for p in before]) for one in (scaling, alone))
    is_useless = scaling.temperature >= _HIGHEST
    threshold = None if is_useless else find_threshold(after, flawed, goal, wanted)
    ps = {"before": before, "alone": tempered, "after": after}
    table = LabelledSums.of([one.prompt for one in images], flawed, ps, threshold)
    found = estimate_intervals(table, resamples=resamples)
    if is_useless:
        auc = with_interval(found["auc"].value, found["auc"])
        raise CalibrationError(f"P does not tell flawed from clean images: AUC {auc}; no calibration mends that")
    if threshold is None:
        raise CalibrationError(_describe_reach(after, flawed, wanted))
    n_flagged = int((after >= threshold).sum())
    return DimensionCalibration(
        temperature=scaling.temperature,
        shift=scaling.shift,
        threshold=threshold,
        goal=goal,
        wanted=wanted,
        precision=_fitted(found["precision"], n_flagged),
        recall=_fitted(found["recall"], n_flawed),
        flagged=_fitted(found["flagged"], len(images)),
        n_flawed=n_flawed,
        n_clean=n_clean,
        auc=_fitted(found["auc"], len(images)),
        means=_labelled_means(table, after, flawed),
        before=_reliability(found, table, "before", before),
        after=_reliability(found, table, "after", after),
        alone=TemperatureAlone(
            temperature=alone.temperature, reliability=_reliability(found, table, "alone", tempered)
        ),
    )


def fit_scaling(p: FloatArray, flawed: np.ndarray, *, with_shift: bool = True) -> Scaling:
    """The scaling under which the labels are likeliest: it minimises ``-sum log P(label)`` of scaled ``p`` (Platt 1999;
    without a shift, temperature scaling, Guo et al. 2017).

    P of an image is that of any flaw in many entities and comes out too high, which a temperature alone cannot mend.

    >>> p = np.array([0.9] * 10 + [0.1] * 10)
    >>> right = np.array([True] * 7 + [False] * 10 + [True] * 3)
    >>> round(fit_scaling(p, right).temperature, 2)  # 7 of 10 are right: sigmoid(logit(.9) / T) = .7
    2.59
    >>> found = fit_scaling(np.array([0.99] * 10 + [0.9] * 10), right)
    >>> [round(temper(one, *found), 2) for one in (0.99, 0.9)]
    [0.7, 0.3]
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    inside = np.clip(p, _CUT, 1 - _CUT)
    logit, sign = np.log(inside / (1 - inside)), np.where(flawed, 1.0, -1.0)

    def loss(scaling: FloatArray) -> tuple[float, FloatArray]:
        """By 1 / temperature and shift, with its gradient."""
        off = -sign * (scaling[0] * logit + scaling[1])
        slope = -sign * expit(off) / len(p)
        return float(np.logaddexp(0.0, off).mean()), np.array([slope @ logit, slope.sum()])

    found = minimize(
        loss,
        (1.0, 0.0),
        jac=True,
        method="L-BFGS-B",
        bounds=[(1 / _HIGHEST, 1 / _LOWEST), (-_LARGEST_SHIFT, _LARGEST_SHIFT) if with_shift else (0.0, 0.0)],
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000},
    )
    inverse, shift = map(float, found.x)
    return Scaling(_HIGHEST if inverse < 1.001 / _HIGHEST else 1 / inverse, shift)


def find_threshold(p: FloatArray, flawed: np.ndarray, goal: GoalName, wanted: float) -> float | None:
    """The threshold that reaches a goal, half way to the next lower P, so that no rounding moves an image; None when
    no threshold does.

    >>> p, flawed = np.linspace(1, 0, 41), np.array([True] * 20 + [False] * 21)
    >>> find_threshold(p, flawed, "precision", 1.0), find_threshold(p, flawed, "recall", 0.5)
    (0.5125, 0.7625)
    """
    values, n_flagged, n_hit = _count_from_above(p, flawed)
    if goal == "precision":
        reached = np.flatnonzero((n_hit >= wanted * n_flagged - _ROUNDING) & (n_flagged >= FEWEST_FLAGGED))
        place = reached[-1] if len(reached) else None
    else:
        place = np.flatnonzero(n_hit >= wanted * flawed.sum() - _ROUNDING)[0]
    if place is None:
        return None
    below = values[place + 1] if place + 1 < len(values) else values[place]
    return float((values[place] + below) / 2)


def _count_from_above(p: FloatArray, flawed: np.ndarray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Every P that occurs, falling, with how many images have at least that, and how many of them are flawed."""
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    last = np.append(ranked[1:] != ranked[:-1], True)
    return ranked[last], np.arange(1.0, len(p) + 1)[last], np.cumsum(flawed[order]).astype(np.float64)[last]


def _describe_reach(p: FloatArray, flawed: np.ndarray, wanted: float) -> str:
    values, n_flagged, n_hit = _count_from_above(p, flawed)
    precision = np.where(n_flagged >= FEWEST_FLAGGED, n_hit / n_flagged, -1.0)
    best = int(np.argmax(precision))
    return (
        f"no threshold reaches a precision of {decimals(wanted)}: the highest is {decimals(float(precision[best]))}, "
        f"with {int(n_flagged[best]):,} of {len(p):,} images flagged, from P {decimals(float(values[best]))} on; ask "
        "for less, or for a recall"
    )


def _fitted(estimate: Estimate, n: int) -> FittedValue:
    assert estimate.value is not None
    return FittedValue(value=estimate.value, low=estimate.low, high=estimate.high, n=n)


def _reliability(found: dict[str, Estimate], table: LabelledSums, name: str, p: FloatArray) -> Reliability:
    held, mass = table.sums[f"{name}_n"].sum(axis=0), table.sums[f"{name}_p"].sum(axis=0)
    bins = [
        ReliabilityBin(p=min(1.0, float(mass[one] / held[one])), flawed=_fitted(found[f"{name}_{one}"], int(held[one])))
        if held[one]
        else None
        for one in range(CALIBRATION_BINS)
    ]
    return Reliability(ece=_fitted(found[f"{name}_ece"], len(p)), bins=tuple(bins))


def _labelled_means(table: LabelledSums, p: FloatArray, flawed: np.ndarray) -> LabelledMeans:
    """Both means, with the variance that drawing other prompts gives them (ratio of sums, linearised)."""
    n = len(table.image_ids)
    means, off = [], []
    for which in (flawed, ~flawed):
        mean = float(p[which].mean())
        means.append(mean)
        off.append(np.bincount(table.place[which], p[which] - mean, n) / int(which.sum()))
    scale = n / (n - 1)
    variances = (float(scale * (off[0] @ off[0])), float(scale * (off[0] @ off[1])), float(scale * (off[1] @ off[1])))
    return LabelledMeans(flawed=means[0], clean=means[1], covariance=variances)
