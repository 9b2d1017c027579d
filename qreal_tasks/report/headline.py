"""The numbers at the top of a report: how good a model is, for a reader who knows none of the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from qreal_tasks.benchmark import QUESTION_NAMES, Dimension
from qreal_tasks.metrics.objectqa import OVERALL
from qreal_tasks.pages.numbers import UNDEFINED, Interval, count, decimals, interval, percent, with_interval
from qreal_tasks.results.score import GroupScores, RunScores


@dataclass(frozen=True)
class Headline:
    """One number with what it means."""

    label: str
    value: str
    interval: str
    """Empty where there is none."""
    about: str


def list_headlines(scores: RunScores) -> list[Headline]:
    """Accuracy above the best answer that needs no model, AUC, flawed entities that were found, and false alarms.

    What a run was not asked is left out.
    """
    return [*_about_answers(scores.objectqa), *_about_boxes(scores.imageqa)]


def _about_answers(groups: Mapping[str, GroupScores]) -> Iterator[Headline]:
    """Means over the questions, as the row of all six has them where all six were asked."""
    asked = [groups[name] for name in QUESTION_NAMES if name in groups]
    if not asked:
        return
    ends = groups[OVERALL].intervals if OVERALL in groups else asked[0].intervals if len(asked) == 1 else {}
    accuracy = _mean([group.metrics.get("acc") for group in asked])
    trivial = _mean([best[0] if (best := group.best_baseline("acc")) else None for group in asked])
    above = None if accuracy is None or trivial is None else 100 * (accuracy - trivial)
    yield Headline(
        "Accuracy above the best trivial answer",
        UNDEFINED if above is None else f"{above:+z.1f} points",
        "",
        f"Right answers: {with_interval(accuracy, ends.get('acc'))}. Always the same answer to a question, Yes or No "
        f"as fits it better: {decimals(trivial)}.",
    )
    auc = _mean([group.metrics.get("auc") for group in asked])
    yield Headline(
        "AUC",
        decimals(auc),
        interval(ends.get("auc")),
        "How well P(Yes) tells Yes from No: .5 is guessing, 1 is never wrong.",
    )


_BOXED = (
    ("Flawed entities found", "recall_at_50", "flawed", "Boxed with IoU above .5, in {}."),
    ("False alarms", "false_alarm", "clean", "Share of {} in which a flaw was boxed."),
)
"""Title, metric, the images that it is over, and what it says of them."""


def _about_boxes(groups: Mapping[str, GroupScores]) -> Iterator[Headline]:
    names = [str(dimension) for dimension in Dimension if dimension in groups] or list(groups)
    for title, metric, images, meaning in _BOXED:
        for name in names:
            metrics, ends = groups[name].metrics, groups[name].intervals
            yield Headline(
                f"{title}, {name.replace('_', ' ')}",
                percent(metrics.get(metric)),
                _percent_ends(ends.get(metric)),
                meaning.format(count(metrics.get(f"n_{images}"), f"{images} image")),
            )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _percent_ends(ends: Interval | None) -> str:
    if ends is None or ends.low is None or ends.high is None:
        return ""
    return f"{100 * ends.low:.1f}–{100 * ends.high:.1f} %"
