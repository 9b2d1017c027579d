"""Runs of ObjectQA that need no model: one answer to everything, the majority, and the majority of a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from qreal_tasks.benchmark import Answer
from qreal_tasks.records import JudgmentRecord


def always(records: Sequence[JudgmentRecord], answer: Answer) -> list[JudgmentRecord]:
    """The run that gives ``answer`` to every item, without P(Yes), so without AUC."""
    return [_answered(r, answer, None) for r in records]


def majority(records: Sequence[JudgmentRecord], known: Sequence[JudgmentRecord]) -> list[JudgmentRecord]:
    """Each item answered as most references in ``known`` answer its question; a tie, or none known, is No.

    Args:
        records: the items to answer; their references are not looked at.
        known: whose references may be looked at, usually the training split.
    """
    share = _yes_share([(r.question,) for r in known], known)
    return [_answered(r, _likelier(share.get((r.question,), 0.0)), None) for r in records]


def majority_per_label(records: Sequence[JudgmentRecord], known: Sequence[JudgmentRecord]) -> list[JudgmentRecord]:
    """Each item answered as ``known`` answers its question for the same label: what the label gives away.

    P(Yes) is the share of Yes among them, so this baseline has an AUC. A label that ``known`` lacks falls
    back to the question's share over all labels, and a question it lacks to No without P(Yes).
    """
    by_label = _yes_share([(r.question, _plain(r.label)) for r in known], known)
    by_question = _yes_share([(r.question,) for r in known], known)
    answered = []
    for record in records:
        share = by_label.get((record.question, _plain(record.label)), by_question.get((record.question,)))
        answered.append(_answered(record, _likelier(share or 0.0), share))
    return answered


def _answered(record: JudgmentRecord, answer: Answer, p_yes: float | None) -> JudgmentRecord:
    return replace(record, raw=str(answer), answer=str(answer), reason=None, p_yes=p_yes, mass=None)


def _likelier(yes_share: float) -> Answer:
    return Answer.YES if yes_share > 0.5 else Answer.NO


def _plain(label: str) -> str:
    return label.strip().casefold()


def _yes_share(keys: Sequence[tuple[str, ...]], records: Sequence[JudgmentRecord]) -> Mapping[tuple[str, ...], float]:
    """Key to the share of Yes among the references of the records with that key."""
    total: dict[tuple[str, ...], int] = {}
    yes: dict[tuple[str, ...], int] = {}
    for key, record in zip(keys, records, strict=True):
        total[key] = total.get(key, 0) + 1
        yes[key] = yes.get(key, 0) + (record.reference == Answer.YES)
    return {key: yes[key] / n for key, n in total.items()}
