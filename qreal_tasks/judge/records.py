"""Records of ImageQA with the scores of a judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from qreal_tasks.judge.pairs import Judgement, Pair, unjudged
from qreal_tasks.metrics.matching import match
from qreal_tasks.records import NO_REASON, GroundingRecord

AskAll = Callable[[Sequence[Pair]], Sequence[Judgement]]
"""A judge: one judgement for every pair, in their order."""


def list_pairs(record: GroundingRecord) -> list[Pair]:
    """The descriptions of the matched regions, in the order of ``matching.match``: that of ``record.scores``.

    Labels are left out on purpose: LLM-Score compares what is said to be wrong, and the paper's compares descriptions.
    """
    matches = match(record.predicted, record.reference)
    return [Pair(record.predicted[m.pred].description, record.reference[m.gt].description) for m in matches]


def judge_records(records: Sequence[GroundingRecord], judge: AskAll, name: str) -> list[GroundingRecord]:
    """The records with the scores of ``judge`` in place of what they had; all pairs are asked in one go.

    Args:
        name: of the judge, with the hash of its manifest.

    Raises:
        ValueError: a box is not four finite numbers.
    """
    pairs = [list_pairs(record) for record in records]
    answers = iter(judge([pair for some in pairs for pair in some]))
    return [_with_scores(r, [next(answers) for _ in some], name) for r, some in zip(records, pairs, strict=True)]


def mark_unjudged(record: GroundingRecord, reason: str, reply: str, name: str) -> GroundingRecord:
    """The record when its judge cannot be asked at all."""
    return _with_scores(record, [unjudged(reason, reply)] * len(list_pairs(record)), name)


def _with_scores(record: GroundingRecord, answers: Sequence[Judgement], name: str) -> GroundingRecord:
    missing = [(answer.reason or NO_REASON, answer.text) for answer in answers if answer.score is None]
    reasons = Counter(reason for reason, _ in missing)
    return replace(
        record,
        scores=tuple(answer.score for answer in answers),
        judge=name,
        unjudged=dict(sorted(reasons.items())),
        judge_said={reason: reply for reason, reply in sorted(missing, reverse=True) if reply},
    )
