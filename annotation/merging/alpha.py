"""Agreement between people on one question: percent agreement, unanimity, Krippendorff's alpha, prevalence.

Each is a quotient of sums over entities, so sums are kept per image: the point estimate counts each image once, the
bootstrap as often as it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qreal_tasks.metrics.sums import FloatArray, divide, none_if_nan

MEASURES = ("percent_agreement", "unanimous", "alpha", "prevalence")


def coincidence_matrices(counts: ArrayLike) -> FloatArray:
    """Krippendorff's coincidence matrices, one a unit.

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
    # Where only one value occurs, rounding of weighted sums must not leave a hair.
    expected = n**2 - (n_of**2).sum(axis=-1)
    expected = np.where(expected > 1e-9 * np.maximum(n**2, 1.0), expected, np.nan)
    return np.asarray(1.0 - (n - 1.0) * observed / expected)


@dataclass(frozen=True)
class VoteTable:
    """Yes/No votes, or drop/keep, on entities.

    ``values`` is (entities, annotators): 1 for Yes, 0 for No, nan where there is no vote.
    """

    image_ids: tuple[str, ...]
    """The image of every entity."""
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


class _SumsPerImage:
    """Sums over the entities of each image: the point estimate counts each image once, the bootstrap as it is drawn.

    Args:
        image_ids: the image of every entity.
        columns: (entities, k), what is summed.
    """

    def __init__(self, image_ids: Sequence[str], columns: Sequence[FloatArray]) -> None:
        self.image_ids = tuple(dict.fromkeys(image_ids))
        place = {image: number for number, image in enumerate(self.image_ids)}
        self._sums = np.zeros((len(place), len(columns)))
        np.add.at(self._sums, [place[image] for image in image_ids], np.stack(columns, axis=1))

    def point(self) -> Mapping[str, float | None]:
        """Every measure, each image counted once."""
        measures = self._measures(self._sums.sum(axis=0)[None])
        return {name: none_if_nan(float(value[0])) for name, value in measures.items()}

    def resampled(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        """(n_resamples, n_images) weights to (n_resamples,) a measure."""
        return self._measures(weights @ self._sums)

    def _measures(self, sums: FloatArray) -> dict[str, FloatArray]:
        raise NotImplementedError


class AgreementMeasures(_SumsPerImage):
    """All four measures of one question, as the bootstrap takes them.

    - ``percent_agreement``: pairs of votes on one entity that are equal, of all such pairs
    - ``unanimous``: entities whose votes are all equal, of those with at least two
    - ``alpha``: ``krippendorff_alpha``
    - ``prevalence``: share of Yes among all votes
    """

    def __init__(self, votes: VoteTable) -> None:
        counts = votes.counts
        m = counts.sum(axis=1)
        several = m > 1
        columns = [
            (counts * (counts - 1)).sum(axis=1),
            m * (m - 1),
            (several & (counts.max(axis=1) == m)).astype(np.float64),
            several.astype(np.float64),
            counts[:, 1],
            m,
            *coincidence_matrices(counts).reshape(len(m), 4).T,
        ]
        super().__init__(votes.image_ids, columns)
        self.entities = int(several.sum())
        """How many have at least two votes."""
        self.votes = int(m.sum())

    def _measures(self, sums: FloatArray) -> dict[str, FloatArray]:
        equal, pairs, unanimous, several, yes, votes = sums[:, :6].T
        return {
            "percent_agreement": divide(equal, pairs),
            "unanimous": divide(unanimous, several),
            "alpha": krippendorff_alpha(sums[:, 6:].reshape(-1, 2, 2)),
            "prevalence": divide(yes, votes),
        }


class Share(_SumsPerImage):
    """How often something holds, as the bootstrap takes it; nan counts as not asked."""

    def __init__(self, image_ids: Sequence[str], holds: ArrayLike) -> None:
        value = np.asarray(holds, dtype=np.float64)
        asked = ~np.isnan(value)
        self.n = int(asked.sum())
        super().__init__(image_ids, [np.where(asked, value, 0.0), asked.astype(np.float64)])

    def _measures(self, sums: FloatArray) -> dict[str, FloatArray]:
        held, asked = sums.T
        return {"share": divide(held, asked)}
