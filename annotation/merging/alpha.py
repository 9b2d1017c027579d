"""Agreement between people on one question: percent agreement, unanimity, Krippendorff's alpha, prevalence.

Each is a quotient of sums over entities, so sums are kept per image: the point estimate counts each image once, the
bootstrap as often as it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

MEASURES = ("percent_agreement", "unanimous", "alpha", "prevalence")


def coincidence_matrices(counts: ArrayLike) -> FloatArray:
    """Krippendorff's coincidence matrix of every unit.

    A unit with m votes adds ``n_c n_k / (m - 1)`` for values c and k, ``n_c (n_c - 1) / (m - 1)`` for c = k, and
    nothing with fewer than two votes.

    Args:
        counts: (units, values), how many gave the unit that value.

    Returns:
        (units, values, values).
    """
    n = np.asarray(counts, dtype=np.float64)
    pairs = n[:, :, None] * n[:, None, :] - n[:, :, None] * np.eye(n.shape[1])
    votes = n.sum(axis=1)
    return np.asarray(pairs / np.where(votes > 1, votes - 1, np.inf)[:, None, None])


def krippendorff_alpha(coincidence: ArrayLike) -> FloatArray:
    """Krippendorff's alpha for nominal values: ``1 - (n - 1) sum_{c != k} o_ck / sum_{c != k} n_c n_k``.

    Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C.

    Args:
        coincidence: (…, values, values), summed over units.

    Returns:
        (…): nan where only one value occurs, since then nothing can be told apart from chance.

    Four units, two people who differ on the last: ``o = [[2, 1], [1, 4]]``, n = 8, ``alpha = 1 - 7 * 2 / (2 * 3 * 5)``.

    >>> counts = [[2, 0], [0, 2], [0, 2], [1, 1]]
    >>> round(float(krippendorff_alpha(coincidence_matrices(counts).sum(axis=0))), 4)
    0.5333
    """
    o = np.asarray(coincidence, dtype=np.float64)
    n_of = o.sum(axis=-1)
    n = n_of.sum(axis=-1)
    observed = n - np.trace(o, axis1=-2, axis2=-1)
    # Of one value alone, rounding of weighted sums must not leave a hair.
    expected = n**2 - (n_of**2).sum(axis=-1)
    expected = np.where(expected > 1e-9 * np.maximum(n**2, 1.0), expected, np.nan)
    return np.asarray(1.0 - (n - 1.0) * observed / expected)


@dataclass(frozen=True)
class VoteTable:
    """Yes/No votes, or drop/keep, on entities.

    ``values`` is (entities, annotators): 1 for Yes, 0 for No, nan where there is no vote.
    """

    image_ids: tuple[str, ...]
    """Of every entity."""
    values: FloatArray

    @property
    def counts(self) -> FloatArray:
        """(entities, 2): how many said No, Yes."""
        return np.stack([(self.values == 0).sum(axis=1), (self.values == 1).sum(axis=1)], axis=1).astype(np.float64)

    @property
    def majority(self) -> FloatArray:
        """(entities,): 0, 1, or nan where there is no vote or a tie."""
        no, yes = self.counts.T
        return np.where(yes == no, np.nan, (yes > no).astype(np.float64))


class AgreementMeasures:
    """All four measures of one question, as the bootstrap takes them.

    - ``percent_agreement``: pairs of votes on one entity that are equal, of all such pairs
    - ``unanimous``: entities whose votes are all equal, of those with at least two
    - ``alpha``: ``krippendorff_alpha``
    - ``prevalence``: share of Yes among all votes
    """

    def __init__(self, votes: VoteTable) -> None:
        self.image_ids = tuple(dict.fromkeys(votes.image_ids))
        counts = votes.counts
        m = counts.sum(axis=1)
        equal = (counts * (counts - 1)).sum(axis=1)
        several = m > 1
        columns = [
            equal,
            m * (m - 1),
            (several & (counts.max(axis=1) == m)).astype(np.float64),
            several.astype(np.float64),
            counts[:, 1],
            m,
            *coincidence_matrices(counts).reshape(len(m), 4).T,
        ]
        self._sums = sum_per_image(self.image_ids, votes.image_ids, np.stack(columns, axis=1))
        self.entities = int(several.sum())
        """With at least two votes."""
        self.votes = int(m.sum())

    def point(self) -> Mapping[str, float | None]:
        """Every measure, each image counted once."""
        return {name: to_optional(value) for name, value in self._of(self._sums.sum(axis=0)[None]).items()}

    def resampled(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        """(n_resamples, n_images) weights to (n_resamples,) a measure."""
        return self._of(weights @ self._sums)

    def _of(self, sums: FloatArray) -> dict[str, FloatArray]:
        equal, pairs, unanimous, several, yes, votes = sums[:, :6].T
        return {
            "percent_agreement": divide(equal, pairs),
            "unanimous": divide(unanimous, several),
            "alpha": krippendorff_alpha(sums[:, 6:].reshape(-1, 2, 2)),
            "prevalence": divide(yes, votes),
        }


class Share:
    """How often something holds, as the bootstrap takes it; nan counts as not asked."""

    def __init__(self, image_ids: Sequence[str], holds: ArrayLike) -> None:
        self.image_ids = tuple(dict.fromkeys(image_ids))
        value = np.asarray(holds, dtype=np.float64)
        asked = ~np.isnan(value)
        self.n = int(asked.sum())
        columns = np.stack([np.where(asked, value, 0.0), asked.astype(np.float64)], axis=1)
        self._sums = sum_per_image(self.image_ids, image_ids, columns)

    def point(self) -> Mapping[str, float | None]:
        """The share."""
        held, asked = self._sums.sum(axis=0)
        return {"share": to_optional(divide(held[None], asked[None]))}

    def resampled(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        """(n_resamples, n_images) weights to (n_resamples,)."""
        held, asked = (weights @ self._sums).T
        return {"share": divide(held, asked)}


def sum_per_image(images: Sequence[str], image_ids: Sequence[str], columns: FloatArray) -> FloatArray:
    """(entities, k) summed to (images, k)."""
    place = {image: number for number, image in enumerate(images)}
    sums = np.zeros((len(images), columns.shape[1]))
    np.add.at(sums, [place[image] for image in image_ids], columns)
    return sums


def divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """nan where nothing is divided by."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def to_optional(value: FloatArray) -> float | None:
    """The one number, or None."""
    return None if np.isnan(value[0]) else float(value[0])
