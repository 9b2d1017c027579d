"""Sums per prompt over labelled images: what precision, recall, AUC and reliability are resampled from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qreal_tasks.metrics.judgment import CALIBRATION_BINS
from qreal_tasks.metrics.ranking import Ranking
from qreal_tasks.metrics.sums import FloatArray, divide, none_if_nan


@dataclass(frozen=True)
class LabelledSums:
    """What ``bootstrap.estimate_intervals`` draws prompts from."""

    image_ids: tuple[str, ...]
    sums: dict[str, FloatArray]
    """(n_prompts,) each, or (n_prompts, bins)."""
    ranking: Ranking
    place: np.ndarray
    """(n_images,) index of the prompt."""
    names: tuple[str, ...]
    """Of the P whose reliability is looked at."""

    @classmethod
    def of(
        cls,
        prompts: Sequence[str],
        flawed: np.ndarray,
        ps: Mapping[str, FloatArray],
        threshold: float | None,
    ) -> LabelledSums:
        """Sum up.

        Args:
            ps: P of the images by name: ``before`` any calibration, ``after`` it, and others for their reliability.
            threshold: on the calibrated P; None flags no image.
        """
        names, place = np.unique(np.array(prompts, dtype=object), return_inverse=True)
        y = flawed.astype(np.float64)
        flagged = np.zeros(len(y)) if threshold is None else (ps["after"] >= threshold).astype(np.float64)
        counted = {"n": np.ones(len(y)), "flawed": y, "flagged": flagged, "hit": flagged * y}
        sums = {name: _sum_by(place, values, len(names)) for name, values in counted.items()}
        for name, p in ps.items():
            bins = np.minimum((p * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
            cell = place * CALIBRATION_BINS + bins
            for what, values in (("n", counted["n"]), ("p", p), ("flawed", y)):
                flat = _sum_by(cell, values, len(names) * CALIBRATION_BINS)
                sums[f"{name}_{what}"] = flat.reshape(len(names), CALIBRATION_BINS)
        ranking = Ranking.of(ps["before"].tolist(), flawed.tolist(), place.tolist())
        return cls(tuple(names.tolist()), sums, ranking, place, tuple(ps))

    def resampled(self, weights: FloatArray) -> dict[str, FloatArray]:
        total = {name: weights @ values for name, values in self.sums.items()}
        found = {
            "precision": divide(total["hit"], total["flagged"]),
            "recall": divide(total["hit"], total["flawed"]),
            "flagged": divide(total["flagged"], total["n"]),
            "auc": self.ranking.scores(weights).auc,
        }
        for name in self.names:
            off = np.abs(total[f"{name}_p"] - total[f"{name}_flawed"]).sum(axis=1)
            found[f"{name}_ece"] = divide(off, total["n"])
            shares = divide(total[f"{name}_flawed"], total[f"{name}_n"])
            found.update({f"{name}_{one}": shares[:, one] for one in range(CALIBRATION_BINS)})
        return found

    def point(self) -> dict[str, float | None]:
        once = self.resampled(np.ones((1, len(self.image_ids))))
        return {name: none_if_nan(values[0]) for name, values in once.items()}


def _sum_by(place: np.ndarray, values: FloatArray, n: int) -> FloatArray:
    return np.bincount(place, values, n).astype(np.float64)
