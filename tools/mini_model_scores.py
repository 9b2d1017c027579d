"""How good the shipped model is: every question above the better of two answers that need no picture, found entities
with a description of the right kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from answered_alike import majority, majority_per_label

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.metrics.bootstrap import Difference
from qreal_tasks.metrics.description import IOU_THRESHOLD
from qreal_tasks.metrics.matching import match
from qreal_tasks.metrics.objectqa import compare_objectqa
from qreal_tasks.mini.words import find_kinds
from qreal_tasks.records import GroundingRecord, JudgmentRecord
from qreal_tasks.samples import ModelAnswer, SampleContext, judgment_record


@dataclass(frozen=True)
class AboveBaseline:
    """Accuracy of one question above that of the better baseline, paired by image."""

    baseline: str
    gain: Difference


@dataclass(frozen=True)
class Descriptions:
    """Descriptions of the entities that were found: boxes that overlap a reference's by more than ``IOU_THRESHOLD``."""

    found: int
    exact: int
    """To the letter as the reference."""
    right_kind: int
    """They name a flaw that the reference names."""


def load_references(data: Path, split: str = "train") -> list[JudgmentRecord]:
    """Load the answers of a split as records, which is what the baselines know."""
    rows = load_split(locate(str(data)), "objectqa", split).remove_columns("image")
    return [
        judgment_record(row, name, ModelAnswer(""), SampleContext(str(data))) for row in rows for name in QUESTION_NAMES
    ]


def compare_with_baselines(
    records: Sequence[JudgmentRecord], known: Sequence[JudgmentRecord]
) -> dict[str, AboveBaseline]:
    """By question, against the better of two: the majority of ``known``, and that among its entities of one label."""
    baselines = {"majority": majority(records, known), "majority per label": majority_per_label(records, known)}
    gains = {name: compare_objectqa([records, answers])[0] for name, answers in baselines.items()}
    return {
        question: min(
            (AboveBaseline(name, found[question]["acc"]) for name, found in gains.items()),
            key=lambda one: one.gain.value if one.gain.value is not None else float("inf"),
        )
        for question in QUESTION_NAMES
    }


def count_descriptions(records: Sequence[GroundingRecord]) -> Descriptions:
    """Hold the descriptions of found entities against the references'."""
    pairs = [
        (record.predicted[pair.pred].description, record.reference[pair.gt].description)
        for record in records
        for pair in match(record.predicted, record.reference)
        if pair.iou > IOU_THRESHOLD
    ]
    return Descriptions(
        len(pairs),
        sum(ours == theirs for ours, theirs in pairs),
        sum(bool(find_kinds(ours) & find_kinds(theirs)) for ours, theirs in pairs),
    )
