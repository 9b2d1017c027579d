"""Sums per image, divided once: the form that almost every metric of the benchmark has.

A metric is ``sum_i num_i / sum_i den_i`` over images ``i``. Point estimate, bootstrap and rescoring use the
same ``num_i`` and ``den_i``. Totals of a point estimate are correctly rounded (``math.fsum``), so neither the
order of the samples nor the number of processes that produced them can change a number.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from qreal_tasks.records import GroundingRecord, JudgmentRecord

FloatArray = NDArray[np.float64]
Scores = dict[str, float | None]
"""Metric name to value; None where it is undefined. Counts are ints, named ``n`` or ``n_...``."""


K = TypeVar("K", bound=Hashable)


class Ratio(NamedTuple):
    """What one sample or image adds to a metric. A metric it says nothing about gets ``Ratio(0, 0)``."""

    num: float
    den: float


def aggregate(ratios: Iterable[Ratio]) -> float | None:
    """``sum num / sum den``, or None when the denominators sum to 0.

    >>> aggregate([Ratio(1, 2), Ratio(2, 2)])
    0.75
    >>> aggregate([Ratio(0, 0)]) is None
    True
    """
    found = list(ratios)
    den = math.fsum(r.den for r in found)
    return math.fsum(r.num for r in found) / den if den else None


def divide(num: FloatArray, den: FloatArray) -> FloatArray:
    """``num / den`` element by element, nan where ``den`` is 0. Same shape as the arguments.

    >>> divide(np.array([1.0, 0.0]), np.array([4.0, 0.0])).tolist()
    [0.25, nan]
    """
    quotient: FloatArray = np.full(np.shape(num), np.nan)
    np.divide(num, den, out=quotient, where=den != 0)
    return quotient


def mean_of_all(values: Sequence[float | None]) -> float | None:
    """The plain mean; None as soon as one value is: a mean over fewer is another metric."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def none_if_nan(value: float) -> float | None:
    """A plain Python float, or None for nan."""
    return None if math.isnan(value) else float(value)


def require_same(records: Sequence[JudgmentRecord] | Sequence[GroundingRecord], field: str, id_field: str) -> None:
    """Refuse records that differ in ``field`` or repeat ``id_field``: their numbers would mean nothing.

    Raises:
        ValueError: names the first record that does not fit.
    """
    seen: set[str] = set()
    for record in records:
        name, expected = getattr(record, id_field), getattr(records[0], field)
        if getattr(record, field) != expected:
            raise ValueError(
                f"{name}: {field} is {getattr(record, field)!r}, the first record's is {expected!r}; "
                f"score each {field} by itself"
            )
        if name in seen:
            raise ValueError(f"{name}: occurs twice among the records of {field} {expected!r}; keep one of them")
        seen.add(name)


def require_paired(runs: Sequence[Mapping[K, object]]) -> None:
    """Refuse runs that were not scored on the same samples with the same reference.

    Args:
        runs: of each, sample key to reference.

    Raises:
        ValueError: names the first sample that only one run has, or whose reference differs.
    """
    first = runs[0]
    for other in runs[1:]:
        for key in sorted(first.keys() ^ other.keys(), key=str):
            which = "first" if key in first else "second"
            raise ValueError(f"{key}: only in the {which} run; compare runs on the same data")
        for key, reference in first.items():
            if reference != other[key]:
                raise ValueError(f"{key}: the reference differs between the two runs; compare runs on the same data")
