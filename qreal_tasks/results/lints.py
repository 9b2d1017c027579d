"""What must be known to read the numbers of a run: what is partial, impossible, unread, unjudged or thrown away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from qreal_tasks.answers import Reason
from qreal_tasks.benchmark import QUESTION_NAMES, question
from qreal_tasks.metrics.feasibility import Feasibility
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.models.requests import REQUEST_FAILED
from qreal_tasks.pages.numbers import percent, whole
from qreal_tasks.results import reasons
from qreal_tasks.results.asked import find_other_prompts
from qreal_tasks.results.box_lints import find_box_lints
from qreal_tasks.results.predicted import NO_PREDICTION
from qreal_tasks.results.run_folder import Run, describe_limit
from qreal_tasks.results.score import GroupScores, RunScores

DISAGREE_LIMIT = 0.05
"""Share of answers against their own P(Yes) from which it is said: greedy decoding leaves next to none."""


THIN_LIMIT = 0.05
"""Share of answers with little mass from which AUC cannot be trusted."""


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


def name_row(row: str) -> str:
    """A question by what it asks, with its code; a set by its name.

    >>> name_row("plausibility_q4"), name_row("human_plausibility")
    ('"garbled text" (`plausibility_q4`)', 'human plausibility')
    """
    return f'"{question(row).about}" (`{row}`)' if row in QUESTION_NAMES else row.replace("_", " ")


def find_lints(scores: RunScores) -> list[Lint]:
    """All findings about a run, the gravest first."""
    found = [*_about_run(scores), *_about_questions(scores), *_about_sets(scores), *_about_reading(scores)]
    found += [Lint(Level.WARNING, title, text) for title, text in find_box_lints(scores.run.groundings())]
    order = (Level.ERROR, Level.WARNING, Level.INFO)
    return sorted(found, key=lambda lint: order.index(lint.level))


def _about_run(scores: RunScores) -> Iterator[Lint]:
    if scores.run.is_drawn:
        yield Lint(Level.WARNING, "Drawn pictures.", MINI_NOTICE)
    if scores.run.origin is not None:
        yield Lint(Level.INFO, "Answers from a file.", f"They were {scores.run.origin}.")
    if scores.run.limit is not None:
        yield Lint(Level.WARNING, "Partial run.", f"It was {describe_limit(scores.run)}. No benchmark result.")
    for one in find_other_prompts(scores.run.tasks):
        yield Lint(Level.WARNING, "Asked with other words.", f"{one}; {one.verdict}.")
    missing = describe_missing_answers(scores.run)
    if missing is not None:
        yield Lint(Level.ERROR, "Incomplete run.", missing)


def _about_questions(scores: RunScores) -> Iterator[Lint]:
    asked = {name: group for name, group in scores.objectqa.items() if name in QUESTION_NAMES}
    for name, group in asked.items():
        if group.verdict is Feasibility.INFEASIBLE:
            text = f"That of {name_row(name)} cannot come from the scores that the answers follow; check P(Yes)."
            yield Lint(Level.ERROR, "Impossible AUC.", text)
        elif group.verdict is Feasibility.BELOW_HARD_LABEL:
            text = f"For {name_row(name)} it ranks worse than the bare answers; check P(Yes)."
            yield Lint(Level.WARNING, "Weak P(Yes).", text)
    thin = _shares(asked, "off_choice")
    if thin:
        level = Level.WARNING if max(thin.values()) > THIN_LIMIT else Level.INFO
        text = (
            "Another word than Yes or No was likelier than both, so P(Yes) compares what the model would hardly say: "
            f"{_listed(thin)} of the answers."
        )
        yield Lint(level, "Little mass.", text)
    one_class = [name for name, group in asked.items() if group.metrics.get("yes_share") in (0, 1)]
    if one_class:
        same = ", ".join(map(name_row, one_class))
        text = f"AUC, balanced accuracy and MCC are N/A where every reference is the same: {same}."
        yield Lint(Level.INFO, "References of one class.", text)
    if len(one_class) < len(asked) and all(group.metrics.get("auc") is None for group in asked.values()):
        text = "ObjectQA AUC is N/A: the backend gave no P(Yes), or none for one of the two classes."
        yield Lint(Level.INFO, "No AUC.", text)
    missing = _shares(asked, "without_p")
    if missing:
        level = Level.INFO if all(share == 1 for share in missing.values()) else Level.WARNING
        text = f"The backend gave none for {_listed(missing)}; AUC, ROC and calibration leave these answers out."
        yield Lint(level, "No P(Yes).", text)
    disagree = _shares(asked, "disagree")
    if disagree:
        level = Level.WARNING if max(disagree.values()) > DISAGREE_LIMIT else Level.INFO
        text = f"The answer is not the one that its own P(Yes) favours: {_listed(disagree)}."
        yield Lint(level, "Answers against P(Yes).", text)


def _about_sets(scores: RunScores) -> Iterator[Lint]:
    sets = scores.imageqa
    dropped, clipped = (
        {name: group.metrics[count] for name, group in sets.items() if group.metrics[count]}
        for count in ("n_dropped", "n_clipped")
    )
    if dropped:
        counts = ", ".join(f"{name_row(name)} {whole(count)}" for name, count in dropped.items())
        yield Lint(Level.WARNING, "Boxes left out.", f"Predicted boxes that were invalid: {counts}.")
    if clipped:
        counts = ", ".join(f"{name_row(name)} {whole(count)}" for name, count in clipped.items())
        yield Lint(Level.INFO, "Boxes clipped.", f"Predicted boxes that reached outside the image: {counts}.")
    silent, why = reasons.explain_missing_llm_score(scores)
    if silent:
        text = f"LLM-Score and Joint are N/A for {', '.join(map(name_row, silent))}: {why}."
        yield Lint(Level.INFO, "Not judged.", text)
    unjudged = [
        f"{name_row(name)}: {reasons.explain_unjudged(scores, name)}" for name, group in sets.items() if group.unjudged
    ]
    if unjudged:
        yield Lint(Level.WARNING, "Pairs unjudged.", f"They are in no LLM-Score. {'. '.join(unjudged)}.")


def _about_reading(scores: RunScores) -> Iterator[Lint]:
    """A question without an answer is wrong; an image without one has no box, and no false alarm."""
    unread = {name: reasons.explain_unparsed(scores, name) for name, group in scores.rows.items() if group.unread}
    answers = [f"{name_row(name)}: {why}" for name, why in unread.items() if name in QUESTION_NAMES]
    sets = [f"{name_row(name)}: {why}" for name, why in unread.items() if name not in QUESTION_NAMES]
    if answers:
        text = f"They count as wrong. {'. '.join(answers)}."
        yield Lint(Level.WARNING, "Answers that could not be read.", text)
    if sets:
        text = "They count as answers without a box, which miss what is flawed and raise no false alarm"
        yield Lint(Level.WARNING, "Boxes that could not be read.", f"{text}. {'. '.join(sets)}.")


def _shares(groups: Mapping[str, GroupScores], metric: str) -> dict[str, float]:
    """Where the metric is above 0."""
    return {name: value for name, group in groups.items() if (value := group.metrics.get(metric))}


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name_row(name)} {percent(share)}" for name, share in shares.items())


def describe_missing_answers(run: Run) -> str | None:
    """Describe the questions that have no answer, because a request failed or a file of predictions lacks them; None
    when there is none.

    This project's backends and the harness's own are both known. What a model refused, or wrote and cannot be read, is
    its answer and does not count.
    """
    given = [record.reason or "" for record in run.records]
    if lacking := given.count(NO_PREDICTION):
        return (
            f"{lacking} of {len(given)} questions have no prediction in the file, and count as unanswered: add them, "
            "or give --only-answered for the others alone, which is no benchmark result."
        )
    failed = Counter(reason for reason in given if reason.startswith((REQUEST_FAILED, Reason.REQUEST_FAILED)))
    if not failed:
        return None
    [(example, _)] = failed.most_common(1)
    return (
        f"{failed.total()} of {len(given)} questions have no answer (for example: {example}): run the same command "
        "again, which asks for these alone where answers are kept."
    )
