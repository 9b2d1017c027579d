"""Whether two judges of descriptions say the same, pair by pair; ``ranking_changes`` has what that does to models.

=============  ===============================================================================================
``spearman``   Pearson correlation of the mid-ranks of the two judges' scores: do they order pairs alike?
``kappa``      ``1 - sum O_ij (i - j)^2 / sum E_ij (i - j)^2`` over the five anchors: quadratic-weighted, with
               ``O`` the observed and ``E`` the expected counts; do they give the same anchors?
``bias``       mean of first minus second: is one of them more generous?
=============  ===============================================================================================

All are over pairs that both have judged. Pairs of one image share its entities and the model's way of writing, so the
intervals resample images. Undefined is None: Spearman when a judge gives one score only, kappa when both give one and
the same anchor only.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qreal_tasks.metrics.bootstrap import RESAMPLES, Estimate, estimate_intervals
from qreal_tasks.metrics.sums import FloatArray, divide, none_if_nan
from qreal_tasks.records import GroundingRecord

ANCHORS = (0.0, 0.25, 0.5, 0.75, 1.0)

_CELLS = 2**18
"""Pairs times resamples held at once: 2 MiB an array."""

_STEPS = len(ANCHORS) - 1


class PairKey(NamedTuple):
    """What makes the same pair the same for every judge."""

    image_id: str
    pair: str
    """Tells an image's pairs apart: run, set and position."""


@dataclass(frozen=True)
class JudgeAgreement:
    """Two judges on the same pairs."""

    first: str
    second: str
    n_pairs: int
    """Judged by both."""
    n_unjudged: int
    """Left out because one of the two, or both, could not answer."""
    spearman: Estimate
    kappa: Estimate
    bias: Estimate
    """First minus second."""


def collect_scores(records: Sequence[GroundingRecord], run: str = "") -> dict[PairKey, float | None]:
    """The scores in ``records`` by pair, for ``compare_judges``.

    Args:
        run: where the records are from, so that those of several runs can be put together.

    Raises:
        ValueError: a record was not judged, or an image occurs twice in one set; names the image.
    """
    found: dict[PairKey, float | None] = {}
    for record in records:
        if record.scores is None:
            raise ValueError(f"image {record.image_id}: no judge was asked; judge the run before comparing judges")
        for position, score in enumerate(record.scores):
            key = PairKey(record.image_id, f"{run} {record.set_name} {position}".strip())
            if key in found:
                raise ValueError(f"image {record.image_id}: occurs twice in set {record.set_name!r}; keep one of them")
            found[key] = score
    return found


def compare_judges(
    scores: Mapping[str, Mapping[PairKey, float | None]], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[JudgeAgreement]:
    """Every two of the judges compared, in the order given.

    Args:
        scores: judge to pair to score from 0 to 1, None where the judge could not answer.
        resamples: of the images.

    Raises:
        ValueError: fewer than two judges, judges with different pairs, or a score outside 0 to 1; names the pair.

    >>> a = {PairKey("i0", "0"): 1.0, PairKey("i0", "1"): 0.5, PairKey("i1", "0"): 0.0}
    >>> b = {PairKey("i0", "0"): 0.75, PairKey("i0", "1"): 0.25, PairKey("i1", "0"): None}
    >>> found = compare_judges({"a": a, "b": b}, resamples=10)[0]
    >>> found.n_pairs, found.n_unjudged, found.spearman.value, found.bias.value
    (2, 1, 1.0, 0.25)
    """
    _check(scores)
    found = []
    for first, second in itertools.combinations(scores, 2):
        a, b = scores[first], scores[second]
        both = [(key, x, y) for key in sorted(a) if (x := a[key]) is not None and (y := b[key]) is not None]
        estimates = estimate_intervals(_PairScores.of(both), resamples=resamples, seed=seed)
        left_out = len(a) - len(both)
        found.append(
            JudgeAgreement(
                first, second, len(both), left_out, estimates["spearman"], estimates["kappa"], estimates["bias"]
            )
        )
    return found


def _check(scores: Mapping[str, Mapping[PairKey, float | None]]) -> None:
    if len(scores) < 2:
        raise ValueError(f"{len(scores)} judges, expected at least two to compare")
    first, *others = scores
    for judge in others:
        for key in sorted(scores[first].keys() ^ scores[judge].keys()):
            only = first if key in scores[first] else judge
            raise ValueError(
                f"image {key.image_id}, pair {key.pair}: only from judge {only}; give all judges the same pairs"
            )
    for judge, of_judge in scores.items():
        for key, score in of_judge.items():
            if score is not None and not 0 <= score <= 1:
                raise ValueError(
                    f"image {key.image_id}, pair {key.pair}: score of judge {judge} is {score!r}, "
                    "expected a number from 0 to 1 or None"
                )


@dataclass(frozen=True)
class _PairScores:
    """A ``bootstrap.Statistic`` of n pairs that both judges scored."""

    image_ids: tuple[str, ...]
    image: NDArray[np.intp]
    """(n,) index of the pair's image."""
    first: FloatArray
    """(n,)"""
    second: FloatArray
    confusion: FloatArray
    """(n_images, 5, 5) pairs by anchor of the first and of the second judge."""

    @classmethod
    def of(cls, both: Sequence[tuple[PairKey, float, float]]) -> _PairScores:
        image_ids = tuple(sorted({key.image_id for key, _, _ in both}))
        row = {image_id: position for position, image_id in enumerate(image_ids)}
        image = np.array([row[key.image_id] for key, _, _ in both], dtype=np.intp)
        first, second = (np.array([pair[side] for pair in both], dtype=np.float64) for side in (1, 2))
        confusion = np.zeros((len(image_ids), len(ANCHORS), len(ANCHORS)))
        np.add.at(confusion, (image, _nearest_anchor(first), _nearest_anchor(second)), 1)
        return cls(image_ids, image, first, second, confusion)

    def point(self) -> dict[str, float | None]:
        once = self.resampled(np.ones((1, len(self.image_ids))))
        return {metric: none_if_nan(float(values[0])) for metric, values in once.items()}

    def resampled(self, weights: FloatArray) -> dict[str, FloatArray]:
        block = max(1, _CELLS // max(1, len(self.image)))
        parts = [weights[start : start + block] for start in range(0, len(weights), block)]
        difference = np.bincount(self.image, self.first - self.second, len(self.image_ids))
        pairs = np.bincount(self.image, minlength=len(self.image_ids))
        return {
            "spearman": np.concatenate([spearman(self.first, self.second, part[:, self.image]) for part in parts]),
            "kappa": quadratic_kappa(np.tensordot(weights, self.confusion, axes=1)),
            "bias": divide(weights @ difference, weights @ pairs),
        }


def spearman(first: FloatArray, second: FloatArray, weights: FloatArray) -> FloatArray:
    """Rank correlation of n pairs, each of which counts ``w`` times; equal to SciPy's on the repeated pairs.

    Args:
        first, second: (n,) scores.
        weights: (n_resamples, n) whole numbers.

    Returns:
        (n_resamples,) from -1 to 1; nan where one side has a single value.

    >>> spearman(np.array([0.0, 0.5, 1.0]), np.array([0.1, 0.2, 0.9]), np.ones((1, 3))).tolist()
    [1.0]
    """
    # Mid-ranks have the mean (total + 1) / 2 whatever the ties.
    centre = (weights.sum(axis=1, keepdims=True) + 1) / 2
    x, y = _mid_ranks(first, weights) - centre, _mid_ranks(second, weights) - centre
    covariance, of_x, of_y = ((weights * product).sum(axis=1) for product in (x * y, x * x, y * y))
    # One root of the product, not a product of roots: equal deviations then give exactly 1.
    found: FloatArray = np.clip(divide(covariance, np.sqrt(of_x * of_y)), -1, 1)
    return found


def _mid_ranks(scores: FloatArray, weights: FloatArray) -> FloatArray:
    """(n_resamples, n) mean rank, from 1, that each score has among the repeated ones."""
    if not len(scores):
        return weights
    order = np.argsort(scores, kind="stable")
    _, starts, value = np.unique(scores[order], return_index=True, return_inverse=True)
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.empty_like(weights)
    ranks[:, order] = (np.cumsum(counts, axis=1) - (counts - 1) / 2)[:, value]
    return ranks


def quadratic_kappa(confusion: FloatArray) -> FloatArray:
    """Cohen's kappa with quadratic weights, as scikit-learn's ``cohen_kappa_score(weights="quadratic")``.

    Args:
        confusion: (n_resamples, k, k) counts by the anchor of the first and of the second judge.

    Returns:
        (n_resamples,) at most 1; nan where no disagreement is to be expected.

    >>> quadratic_kappa(np.array([[[2.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]]])).tolist()
    [1.0, 0.0]
    """
    k = confusion.shape[-1]
    cost = (np.arange(k)[:, None] - np.arange(k)[None, :]) ** 2.0
    total = confusion.sum(axis=(1, 2))
    observed = np.einsum("rij,ij->r", confusion, cost)
    expected = np.einsum("ri,rj,ij->r", confusion.sum(axis=2), confusion.sum(axis=1), cost)
    return 1 - divide(observed * total, expected)


def _nearest_anchor(scores: FloatArray) -> NDArray[np.intp]:
    """Index of the nearest quarter, halfway up: NumPy's rounding to even would pull .125 and .375 apart."""
    return np.floor(scores * _STEPS + 0.5).astype(np.intp)
