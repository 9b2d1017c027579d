"""What must be known to read the numbers of a run: what is partial, impossible, unread, unjudged or thrown away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.metrics.feasibility import Verdict
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.pages.numbers import percent, whole
from qreal_tasks.report.score import GroupScores, RunScores

DISAGREE_LIMIT = 0.05
"""Share of answers against their own P(Yes) from which it is said: greedy decoding leaves next to none."""


class Level(StrEnum):
    """How much a finding weighs."""

    INFO = "info"
    WARNING = "warn"
    ERROR = "bad"


@dataclass(frozen=True)
class Lint:
    """One finding."""

    level: Level
    title: str
    text: str


def lints(scores: RunScores) -> list[Lint]:
    """All findings about a run, the gravest first."""
    found = [*_about_run(scores), *_about_questions(scores), *_about_sets(scores), *_about_reading(scores)]
    order = (Level.ERROR, Level.WARNING, Level.INFO)
    return sorted(found, key=lambda lint: order.index(lint.level))


def _about_run(scores: RunScores) -> Iterator[Lint]:
    if scores.run.is_mini:
        yield Lint(Level.WARNING, "Embedded set.", MINI_NOTICE)
    if scores.run.limit is not None:
        text = f"Started with --limit {scores.run.limit:g}. No benchmark result."
        yield Lint(Level.WARNING, "Partial run.", text)


def _about_questions(scores: RunScores) -> Iterator[Lint]:
    asked = {name: group for name, group in scores.objectqa.items() if name in QUESTION_NAMES}
    without = [name for name, group in asked.items() if group.metrics.get("without_p") == 1]
    if without:
        text = f"The backend gave none for {', '.join(without)}: AUC, ROC and calibration are N/A there."
        yield Lint(Level.INFO, "No P(Yes).", text)
    for name, group in asked.items():
        yield from _about_scores(name, group)


def _about_scores(name: str, group: GroupScores) -> Iterator[Lint]:
    if group.verdict is Verdict.INFEASIBLE:
        text = "This AUC cannot come from the scores that the answers follow; check P(Yes)."
        yield Lint(Level.ERROR, f"{name}: impossible AUC.", text)
    elif group.verdict is Verdict.BELOW_HARD_LABEL:
        text = "P(Yes) ranks worse than the bare answers; check P(Yes)."
        yield Lint(Level.WARNING, f"{name}: weak P(Yes).", text)
    disagree = group.metrics.get("disagree")
    if disagree is not None and disagree > 0:
        level = Level.WARNING if disagree > DISAGREE_LIMIT else Level.INFO
        text = f"{percent(disagree)} of the answers are not the one that their P(Yes) favours."
        yield Lint(level, f"{name}: answers against P(Yes).", text)
    missing = group.metrics.get("without_p")
    if missing is not None and 0 < missing < 1:
        text = f"{percent(missing)} of the answers have none; AUC, ROC and calibration leave them out."
        yield Lint(Level.WARNING, f"{name}: P(Yes) missing.", text)


def _about_sets(scores: RunScores) -> Iterator[Lint]:
    for name, group in scores.imageqa.items():
        dropped, clipped = group.metrics["n_dropped"], group.metrics["n_clipped"]
        if dropped:
            yield Lint(Level.WARNING, f"{name}: boxes left out.", f"{whole(dropped)} predicted boxes were invalid.")
        if clipped:
            text = f"{whole(clipped)} predicted boxes reached outside the image and were cut to it."
            yield Lint(Level.INFO, f"{name}: boxes clipped.", text)
        if group.metrics.get("unjudged") is None:
            text = "No judge was asked: LLM-Score and Joint are N/A. `qreal judge RUN` asks one."
            yield Lint(Level.INFO, f"{name}: not judged.", text)
        if group.unjudged:
            text = f"The judge could not answer {_counted(group.unjudged)}; these pairs are in no LLM-Score."
            yield Lint(Level.WARNING, f"{name}: pairs unjudged.", text)


def _about_reading(scores: RunScores) -> Iterator[Lint]:
    for name, group in scores.rows.items():
        if group.unread:
            share = percent(group.metrics.get("unparsed"))
            text = f"{_counted(group.unread)} ({share} of the answers; they count as wrong)."
            yield Lint(Level.WARNING, f"{name}: answers that could not be read.", text)


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{n} × {reason}" for reason, n in reasons.items())
