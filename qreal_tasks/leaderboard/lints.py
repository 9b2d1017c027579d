"""What a reader should know about accepted numbers."""

from __future__ import annotations

from collections.abc import Iterator

from qreal_tasks.metrics.feasibility import Verdict
from qreal_tasks.pages.numbers import percent
from qreal_tasks.report.score import GroupScores, RunScores

WORTH_SAYING = 0.01
"""Share from which something odd is mentioned."""

MOST_LEFT_OUT = 0.005
"""Share of one question's items without P(Yes) or without a readable answer, or of one set's pairs without a judge's
score, above which the metric does not rank: it is a mean over what is left, and what was left out can be chosen. An
answer that cannot be read is out of the check that P(Yes) and answers belong together."""


def lints(scores: RunScores) -> list[str]:
    """One sentence each, the worst first within a row of the tables."""
    found = [line for name, group in scores.objectqa.items() for line in _of_question(name, group)]
    return found + [line for name, group in scores.imageqa.items() for line in _of_set(name, group)]


def _of_question(name: str, group: GroupScores) -> Iterator[str]:
    if group.verdict is None and "n" not in group.metrics:
        return
    if group.verdict is Verdict.BELOW_HARD_LABEL:
        yield f"{name}: P(Yes) ranks worse than the bare answers"
    if group.metrics.get("auc") is None:
        yield f"{name}: no AUC, because the backend gave no P(Yes) or all references are of one class"
    elif (share := group.metrics.get("without_p") or 0) > WORTH_SAYING:
        yield f"{name}: {percent(share)} of the items have no P(Yes) and are out of the AUC"
    if (share := group.metrics.get("disagree") or 0) > WORTH_SAYING:
        yield f"{name}: answer and P(Yes) > .5 disagree on {percent(share)} of the items"
    if (share := group.metrics.get("unparsed") or 0) > WORTH_SAYING:
        yield f"{name}: {percent(share)} of the answers could not be read ({_reasons(group.unread)}) and count as wrong"


def _of_set(name: str, group: GroupScores) -> Iterator[str]:
    metrics = group.metrics
    if (share := metrics.get("unparsed") or 0) > WORTH_SAYING:
        yield f"{name}: {percent(share)} of the answers could not be read ({_reasons(group.unread)})"
    if metrics.get("unjudged") is None:
        yield f"{name}: descriptions were not judged, so LLM-Score and joint score are N/A"
    elif (share := metrics.get("unjudged") or 0) > WORTH_SAYING:
        yield f"{name}: the judge could not answer {percent(share)} of the pairs ({_reasons(group.unjudged)})"
    boxes = (metrics.get("n_predicted") or 0) + (metrics.get("n_dropped") or 0)
    for count, words in (("n_dropped", "left out as invalid"), ("n_clipped", "clipped to the image")):
        if boxes and (metrics.get(count) or 0) / boxes > WORTH_SAYING:
            yield f"{name}: {metrics[count]:.0f} boxes {words}"


def _reasons(reasons: object) -> str:
    items = dict(reasons).items() if isinstance(reasons, dict) else ()
    return ", ".join(f"{count} × {reason}" for reason, count in items)
