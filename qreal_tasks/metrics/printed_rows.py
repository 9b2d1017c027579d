"""The rates behind a printed row of accuracy, precision and F1, and whether its AUC can belong to them."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from qreal_tasks.metrics.feasibility import Feasibility, Range, check


class Rates(NamedTuple):
    """What accuracy, precision and F1 of a row determine."""

    tpr: Range
    fpr: Range
    yes_share: Range
    """Share of Yes among the references."""


def reconstruct(acc: float, precision: float, f1: float, rounding: float = 0.0) -> Rates | None:
    """The rates behind a row of accuracy, precision and F1.

    Per item, with ``wrong = 1 - acc``: TP = f1 wrong / (2 (1 - f1)), FP = TP / precision - TP, FN = wrong -
    FP, share of Yes = TP + FN. All three rates are monotone in each figure, so the corners of the rounding
    box are exact extremes.

    Args:
        rounding: half a unit of the last printed digit, .0005 for three decimals.

    Returns:
        None when accuracy or F1 is 1 or precision 0, where the figures do not determine the rates.

    >>> found = reconstruct(acc=0.7, precision=2 / 3, f1=4 / 7)  # TP 2, FP 1, FN 2, TN 5 of 10
    >>> [round(r.low, 6) for r in found]
    [0.5, 0.166667, 0.4]
    """
    steps = (-rounding, rounding) if rounding else (0.0,)
    corners = [_rates(acc + a, precision + p, f1 + f) for a, p, f in itertools.product(steps, repeat=3)]
    known = [corner for corner in corners if corner is not None]
    if len(known) < len(corners):
        return None
    return Rates(*(Range(min(values), max(values)) for values in zip(*known, strict=True)))


def _rates(acc: float, precision: float, f1: float) -> tuple[float, float, float] | None:
    """TPR, FPR, share of Yes; None where they are not determined."""
    wrong = 1 - acc
    if wrong <= 0 or precision <= 0 or not 0 < f1 < 1:
        return None
    tp = f1 * wrong / (2 * (1 - f1))
    fp = tp / precision - tp
    yes_share = tp + wrong - fp
    if not 0 < yes_share < 1:
        return None
    return tp / yes_share, fp / (1 - yes_share), yes_share


def check_row(acc: float, precision: float, f1: float, auc: float, rounding: float = 0.0005) -> Feasibility | None:
    """The verdict on a printed row; None where its figures do not determine the rates.

    >>> check_row(acc=0.675, precision=0.578, f1=0.630, auc=0.312)  # Table 1, InternVL2.5-8B, realism 1
    <Feasibility.INFEASIBLE: 'infeasible'>
    """
    rates = reconstruct(acc, precision, f1, rounding)
    return None if rates is None else check(auc, rates.tpr, rates.fpr, rounding)
