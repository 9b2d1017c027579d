"""Which metrics the pages show in which order, and under which heading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A metric with its heading and what it means."""

    heading: str
    metric: str
    about: str


OBJECTQA_PAPER = (
    Column("Accuracy", "acc", "share of right answers"),
    Column("Precision", "precision", "of Yes"),
    Column("F1", "f1", "of Yes"),
    Column("AUC", "auc", "of P(Yes); ties count half"),
)
OBJECTQA_OURS = (
    Column("Recall", "recall", "of Yes"),
    Column("Balanced", "balanced", "mean of the recall of Yes and of No"),
    Column("MCC", "mcc", "Matthews correlation"),
    Column("Unread", "unparsed", "share of answers that could not be read; they count as wrong"),
    Column("Mass", "mass", "probability of all spellings of Yes and No together, on which AUC rests"),
)
ALIGNED = (
    Column("Precision", "precision_defect", "of the answer that reports a defect"),
    Column("Recall", "recall_defect", "of the answer that reports a defect"),
    Column("F1", "f1_defect", "of the answer that reports a defect"),
    Column("Balanced", "balanced", "mean of the recall of both answers"),
    Column("MCC", "mcc", "Matthews correlation"),
    Column("AUC", "auc", "the same whichever answer is positive"),
)
IMAGEQA_PAPER = (
    Column("IoU", "iou", "mean over an image's pairs, then over images"),
    Column("Detection rate", "detection_rate", "share of predicted boxes with IoU > .5"),
    Column("AUC", "auc", "area under the detection rate over thresholds from 0 to 1"),
    Column("LLM-Score", "llm_score", "how well the descriptions of pairs agree, by a judge"),
)
IMAGEQA_OURS = (
    Column("F1 at .5", "f1_at_50", "of boxes with IoU > .5"),
    Column("Recall at .5", "recall_at_50", "share of reference regions found with IoU > .5"),
    Column("Overlap", "penalized_overlap", "sum of IoU over sum of max(predicted, reference)"),
    Column("Joint", "joint_score", "box and description right, the rest 0"),
    Column("False alarm", "false_alarm", "share of clean images with a predicted box"),
    Column("Unread", "unparsed", "share of answers that could not be read"),
)
PORTRAIT_OBJECTQA = (OBJECTQA_PAPER[0], OBJECTQA_PAPER[2], OBJECTQA_PAPER[3])
PORTRAIT_IMAGEQA = (IMAGEQA_OURS[0], IMAGEQA_PAPER[0], IMAGEQA_PAPER[3])


def best_trivial(baselines: Mapping[str, Mapping[str, float | None]], metric: str) -> tuple[float, str] | None:
    """The best value that an answer without a model reaches, and which answer that is.

    >>> best_trivial({"always Yes": {"f1": 0.7}, "always No": {"f1": None}}, "f1")
    (0.7, 'always Yes')
    """
    known = [(value, name) for name, metrics in baselines.items() if (value := metrics.get(metric)) is not None]
    return max(known, default=None)
