"""What a comparison comes to, in a sentence for every run."""

from __future__ import annotations

from collections.abc import Sequence

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.metrics.catalogue import CATALOGUE, HALVES
from qreal_tasks.pages.numbers import decimals
from qreal_tasks.results.compare import Comparison, MetricDifference, RunPair

ROWS = {"objectqa": (QUESTION_NAMES, "questions"), "imageqa": (IMAGEQA_SETS, "sets")}
HEADLINE = {"objectqa": "acc", "imageqa": "f1_at_50"}
"""The metric of each half that the sentence speaks of: IoU rises for a model that leaves out what is hard."""
LEVEL = 0.05


def list_conclusions(comparison: Comparison) -> list[str]:
    """A sentence for each run: on how many questions and sets it is better or worse than the baseline.

    What counts is a p-value, corrected for the number of tests, of at most 5 %. Where there are too few resamples for
    any to be so small, a last sentence says that.
    """
    sentences = [_about(comparison, pair) for pair in comparison.shown]
    if comparison.family and comparison.smallest_p > LEVEL:
        sentences.append(f"{comparison.resamples:,} resamples are too few to show any difference: take more.")
    return sentences


def conclude(comparison: Comparison) -> str:
    """The sentences of ``list_conclusions`` as one text."""
    return " ".join(list_conclusions(comparison))


def _about(comparison: Comparison, pair: RunPair) -> str:
    run, against = comparison.names[pair.run], comparison.names[pair.against]
    halves = []
    for half, (parts, noun) in ROWS.items():
        rows, metric = pair.findings(half), HEADLINE[half]
        found = [rows[name][metric] for name in parts if metric in rows.get(name, {})]
        if found:
            halves.append(f"{HALVES[half]} {CATALOGUE[half][metric].label} is {_weigh(found, noun)}")
    return f"{run} against {against}: {'; '.join(halves) or 'nothing that both were asked'}."


def _weigh(found: Sequence[MetricDifference], noun: str) -> str:
    """``better on 2 of 6 questions (by .031 to .120), worse on 0, not shown to differ on 4``."""
    shown = [one.difference.value for one in found if one.p_corrected is not None and one.p_corrected <= LEVEL]
    better = [value for value in shown if value is not None and value > 0]
    worse = [-value for value in shown if value is not None and value < 0]
    rest = len(found) - len(better) - len(worse)
    parts = [f"better on {len(better)} of {len(found)} {noun}{_range(better)}", f"worse on {len(worse)}{_range(worse)}"]
    return ", ".join([*parts, f"not shown to differ on {rest}"])


def _range(values: Sequence[float]) -> str:
    if not values:
        return ""
    low, high = decimals(min(values)), decimals(max(values))
    return f" (by {low})" if low == high else f" (by {low} to {high})"
