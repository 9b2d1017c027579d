"""What a comparison comes to, in a sentence for every run."""

from __future__ import annotations

from collections.abc import Sequence

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.metrics.catalogue import CATALOGUE
from qreal_tasks.pages.numbers import decimals
from qreal_tasks.results.compare import Comparison, MetricDifference, RunPair

ROWS = {"objectqa": (QUESTION_NAMES, "questions"), "imageqa": (IMAGEQA_SETS, "sets")}
HEADLINE = {"objectqa": "acc", "imageqa": "f1_at_50"}
"""The metric of each half that the sentence speaks of: IoU rises for a model that leaves out what is hard."""
_WORDS = {
    "objectqa": ("answers are", "right more often", "right less often", "accuracy"),
    "imageqa": ("boxes are", "better", "worse", CATALOGUE["imageqa"]["f1_at_50"].label),
}
"""What is said of each half: its subject, of a better run, of a worse one, and the name of the metric."""
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
            halves.append(_weigh(found, half, noun))
    return f"{run} against {against}: {'; '.join(halves) or 'nothing that both were asked'}."


def _weigh(found: Sequence[MetricDifference], half: str, noun: str) -> str:
    """``boxes are better on 1 of 3 sets (F1 at .5 by .199), not shown to differ on 2``; counts of 0 are left out."""
    shown = [one.difference.value for one in found if one.p_corrected is not None and one.p_corrected <= LEVEL]
    better = [value for value in shown if value is not None and value > 0]
    worse = [-value for value in shown if value is not None and value < 0]
    subject, more, less, metric = _WORDS[half]
    rest = len(found) - len(better) - len(worse)
    counted = [
        (more, len(better), _range(metric, better)),
        (less, len(worse), _range(metric, worse)),
        ("not shown to differ", rest, ""),
    ]
    (first, count, by), *others = [one for one in counted if one[1]]
    return ", ".join(
        [f"{subject} {first} on {count} of {len(found)} {noun}{by}", *(f"{verb} on {n}{by}" for verb, n, by in others)]
    )


def _range(metric: str, values: Sequence[float]) -> str:
    if not values:
        return ""
    low, high = decimals(min(values)), decimals(max(values))
    return f" ({metric} by {low})" if low == high else f" ({metric} by {low} to {high})"
