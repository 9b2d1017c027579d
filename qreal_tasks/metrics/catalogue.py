"""The catalogue of metrics: what each is called, what it means, which direction is better, and its range.

Tables, pages, exports, cards and training read from here, so that a metric has one label everywhere::

    OBJECTQA["acc"].label  # "Accuracy"

``auc``, ``f1`` and ``unparsed`` exist in both halves of the benchmark, so each half has a mapping of its own. The keys
are those of records, results files and JSON. Formulas are in ``judgment``, ``grounding`` and ``description``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One metric of ObjectQA or ImageQA."""

    name: str
    label: str
    meaning: str
    higher_is_better: bool = True
    low: float = 0.0
    high: float = 1.0


def _index(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


_OBJECTQA_LIVE = _index(
    Metric("acc", "Accuracy", "share of right answers; an answer that cannot be read counts as wrong"),
    Metric("precision", "Precision", "precision of Yes"),
    Metric("recall", "Recall", "recall of Yes"),
    Metric("f1", "F1", "F1 of Yes, the positive class of all six questions"),
    Metric("auc", "AUC", "area under the ROC curve of P(Yes); ties count half"),
    Metric("mcc", "MCC", "Matthews correlation coefficient", low=-1.0),
    Metric("balanced", "Balanced", "balanced accuracy: mean of the recall of Yes and of No"),
    Metric("unparsed", "Unparsed", "share of answers that could not be read", higher_is_better=False),
    Metric("mass", "Mass", "mean total probability of all spellings of Yes and No at the answer's token"),
    Metric("off_choice", "Off choice", "share of answers whose mass is below .5", higher_is_better=False),
)
OBJECTQA = _OBJECTQA_LIVE | _index(
    Metric("specificity", "Specificity", "recall of No"),
    Metric("precision_defect", "Defect precision", "precision of the answer that reports a defect"),
    Metric("recall_defect", "Defect recall", "recall of the answer that reports a defect"),
    Metric("f1_defect", "Defect F1", "F1 of the answer that reports a defect"),
    Metric("average_precision", "Average precision", "area under the precision-recall curve of P(Yes)"),
    Metric("calibration_error", "ECE", "expected calibration error of P(Yes) in ten bins", higher_is_better=False),
    Metric("disagree", "Disagree", "share of answers that contradict their own P(Yes)", higher_is_better=False),
    Metric("yes_share", "Yes references", "share of Yes among the references"),
    Metric("yes_answers", "Yes answers", "share of Yes among the answers that could be read"),
    Metric("without_p", "Without P(Yes)", "share of items without P(Yes)", higher_is_better=False),
)
_IMAGEQA_LIVE = _index(
    Metric("iou", "IoU", "the paper's: mean IoU over an image's pairs, then over images"),
    Metric("detection_rate", "Detection rate", "the paper's: share of predicted boxes with IoU > .5"),
    Metric("auc", "AUC", "the paper's: area under the detection rate over IoU thresholds from 0 to 1"),
    Metric("llm_score", "LLM-Score", "the paper's: a judge's mean score of the descriptions of pairs"),
    Metric("f1_at_50", "F1 at .5", "F1 of boxes with IoU > .5: 2 hits / (predicted + reference)"),
    Metric("recall_at_50", "Recall at .5", "share of reference boxes found with IoU > .5"),
    Metric("penalized_overlap", "Overlap", "sum of IoU / sum of max(predicted, reference)"),
    Metric("joint_score", "Joint", "judge's scores of boxes with IoU > .5 / sum of max(predicted, reference)"),
    Metric("false_alarm", "False alarm", "share of clean images with a predicted box", higher_is_better=False),
    Metric("unparsed", "Unparsed", "share of answers that could not be read", higher_is_better=False),
    Metric("unjudged", "Unjudged", "share of pairs that the judge could not answer", higher_is_better=False),
)
IMAGEQA = _IMAGEQA_LIVE | _index(
    Metric("llm_score_gated", "LLM-Score, found", "a judge's mean score of pairs with IoU > .5"),
    Metric("iou_pooled", "Pooled IoU", "sum of IoU / pairs"),
    Metric("overlap_per_reference", "Reference overlap", "sum of IoU / reference boxes"),
    Metric("auc_50_95", "AUC .5 to .95", "detection rate averaged over the IoU thresholds .50, .55, ... .95"),
    Metric("detection_rate_same_label", "Labelled detection rate", "detection rate of pairs with equal labels"),
    Metric("f1_at_50_same_label", "Labelled F1 at .5", "F1 of pairs with equal labels and IoU > .5"),
    Metric("penalized_overlap_same_label", "Labelled overlap", "overlap of pairs with equal labels"),
    Metric("no_prediction", "No box", "share of flawed images without a predicted box", higher_is_better=False),
)
CATALOGUE: Mapping[str, Mapping[str, Metric]] = {"objectqa": OBJECTQA, "imageqa": IMAGEQA}
COUNT_LABELS: Mapping[str, str] = {
    "n": "Samples",
    "n_images": "Images",
    "n_unparsed": "Answers that could not be read",
    "n_without_p": "Answers without P(Yes)",
    "n_flawed": "Flawed images",
    "n_clean": "Clean images",
    "n_predicted": "Predicted boxes on flawed images",
    "n_reference": "Reference boxes",
    "n_pairs": "Pairs of boxes",
    "n_judged": "Pairs with a judge's score",
    "n_no_prediction": "Flawed images without a predicted box",
    "n_dropped": "Boxes left out as invalid",
    "n_clipped": "Boxes clipped to the image",
}
"""What the counts beside the metrics are called in tables."""
HALVES: Mapping[str, str] = {"objectqa": "ObjectQA", "imageqa": "ImageQA"}
"""What the halves of the benchmark are called in headings."""

OBJECTQA_LIVE, IMAGEQA_LIVE = tuple(_OBJECTQA_LIVE), tuple(_IMAGEQA_LIVE)
"""What a run of the harness reports for each question, and for each ImageQA set."""

PAPER_OBJECTQA, PAPER_IMAGEQA = ("acc", "precision", "f1", "auc"), ("iou", "detection_rate", "auc", "llm_score")
"""The columns of the paper's tables."""
