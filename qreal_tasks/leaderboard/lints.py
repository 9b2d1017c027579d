"""What a reader should know about accepted numbers."""

from __future__ import annotations

from collections.abc import Iterator

from qreal_tasks.metrics.feasibility import Feasibility
from qreal_tasks.metrics.objectqa import split_by_question
from qreal_tasks.metrics.reversal import find_reversal
from qreal_tasks.pages.numbers import percent
from qreal_tasks.results import reasons
from qreal_tasks.results.box_lints import find_box_lints
from qreal_tasks.results.score import GroupScores, RunScores
from qreal_tasks.text.redaction import find_private

WORTH_SAYING = 0.01
"""Share from which something odd is mentioned."""

MOST_LEFT_OUT = 0.005
"""Share of one question's items without P(Yes) or without a readable answer, or of one set's pairs without a judge's
score, above which the metric does not rank: it is a mean over what is left, and what was left out can be chosen. An
answer that cannot be read is out of the check that P(Yes) and answers belong together."""


TOO_WELL = "P(Yes) fits the references better than the answers beside it allow"
"""What the one note says that puts a rank in doubt."""


def find_notes(scores: RunScores) -> list[str]:
    """One sentence each, the worst first within a row of the tables."""
    found = [*_about_order(scores)]
    if scores.run.origin is not None:
        found.append(f"the answers were {scores.run.origin}")
    found += [line for name, group in scores.objectqa.items() for line in _of_question(scores, name, group)]
    found += [line for name, group in scores.imageqa.items() for line in _of_set(scores, name, group)]
    return found + [f"{lint.title} {lint.text}" for lint in find_box_lints(scores.run.groundings())]


def _about_order(scores: RunScores) -> Iterator[str]:
    for name, some in split_by_question(scores.run.judgments()).items():
        if (found := find_reversal(some)) is not None:
            disagree = scores.objectqa[name].metrics.get("disagree") or 0
            meaning = (
                f"Here {percent(disagree)} of the answers are against their own P(Yes): answers that were sampled, "
                "at a temperature above 0, or that come after a reasoning look like this too"
                if disagree > WORTH_SAYING
                else "The P(Yes) that answers come from hardly ever does that"
            )
            yield (
                f"{name}: {TOO_WELL}: of the items answered No with the highest P(Yes), the reference is Yes for "
                f"{percent(found.no)}, and of those answered Yes with the lowest for {percent(found.yes)}, while among "
                f"items with the same answer P(Yes) has an AUC of {found.within:.3f}. {meaning}"
            )


def _of_question(scores: RunScores, name: str, group: GroupScores) -> Iterator[str]:
    if group.verdict is None and "n" not in group.metrics:
        return
    if group.verdict is Feasibility.BELOW_HARD_LABEL:
        yield f"{name}: P(Yes) ranks worse than the bare answers"
    if group.metrics.get("yes_share") in (0, 1):
        yield f"{name}: no AUC, because all references are of one class"
    elif group.metrics.get("auc") is None:
        yield f"{name}: no AUC, because the backend gave no P(Yes), or none for one of the two classes"
    elif (share := group.metrics.get("without_p") or 0) > WORTH_SAYING:
        yield f"{name}: {percent(share)} of the items have no P(Yes) and are out of the AUC"
    if (share := group.metrics.get("disagree") or 0) > WORTH_SAYING:
        yield f"{name}: answer and P(Yes) > .5 disagree on {percent(share)} of the items"
    if (share := group.metrics.get("unparsed") or 0) > WORTH_SAYING:
        why = _unread(scores, name)
        yield f"{name}: {percent(share)} of the answers could not be read and count as wrong: {why}"


def _of_set(scores: RunScores, name: str, group: GroupScores) -> Iterator[str]:
    metrics = group.metrics
    if (share := metrics.get("unparsed") or 0) > WORTH_SAYING:
        yield f"{name}: {percent(share)} of the answers could not be read: {_unread(scores, name)}"
    if metrics.get("unjudged") is None:
        why = "nothing to judge" if scores.run.judges else "descriptions were not judged"
        yield f"{name}: {why}, so LLM-Score and joint score are N/A"
    elif (share := metrics.get("unjudged") or 0) > WORTH_SAYING:
        yield f"{name}: {percent(share)} of the pairs have no score: {reasons.explain_unjudged(scores, name)}"
    boxes = (metrics.get("n_predicted") or 0) + (metrics.get("n_dropped") or 0)
    for count, words in (("n_dropped", "left out as invalid"), ("n_clipped", "clipped to the image")):
        if boxes and (metrics.get(count) or 0) / boxes > WORTH_SAYING:
            yield f"{name}: {metrics[count]:.0f} boxes {words}"


def _unread(scores: RunScores, name: str) -> str:
    """Why answers could not be read; a text that looks private is no example."""
    return reasons.explain_unparsed(scores, name, lambda text: find_private(text) is None)
