"""ObjectQA, all six questions: six rows, never pooled, and macro means beside them (section 3.4, Table 1).

Groups of the results are the six questions, the two dimensions and ``overall``. A dimension is the plain mean
of its questions. ``overall`` is the mean of all six, and only for metrics that mean the same whichever answer
reports a defect: F1 of "Yes" averaged over realism, where Yes is good, and plausibility, where it is bad,
means nothing. A mean is None as soon as one of its questions is: a mean over fewer questions is another
metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from qreal_tasks.benchmark import QUESTION_NAMES, Dimension, questions_of
from qreal_tasks.metrics.bootstrap import RESAMPLES, Difference, Estimate, estimate_differences, estimate_intervals
from qreal_tasks.metrics.judgment import JudgmentTable, score_judgment
from qreal_tasks.metrics.sums import FloatArray, Scores, none_if_nan, require_paired
from qreal_tasks.records import JudgmentRecord

OVERALL = "overall"

POLARITY_FREE = (
    *("acc", "balanced", "mcc", "auc", "precision_defect", "recall_defect", "f1_defect"),
    *("calibration_error", "disagree", "unparsed", "without_p", "mass", "off_choice"),
)
"""Metrics that may be averaged over realism and plausibility questions."""

Key = tuple[str, str]
"""Group and metric."""
T = TypeVar("T")


class ObjectQATable:
    """Six question tables over one list of images, so that one draw of images resamples all of them."""

    def __init__(self, records: Sequence[JudgmentRecord]) -> None:
        self.image_ids = tuple(sorted({r.image_id for r in records}))
        by_question = split_by_question(records)
        self._tables = {name: JudgmentTable.of(by_question[name], self.image_ids) for name in QUESTION_NAMES}

    def resampled(self, weights: FloatArray) -> dict[Key, FloatArray]:
        """(n_resamples, n_images) weights to (n_resamples,) per group and metric, nan where undefined."""
        rows = {name: table.resampled(weights) for name, table in self._tables.items()}
        found = {(name, metric): values for name, row in rows.items() for metric, values in row.items()}
        for dimension in Dimension:
            names = [q.name for q in questions_of(dimension)]
            for metric in rows[names[0]]:
                found[dimension.value, metric] = np.mean([rows[name][metric] for name in names], axis=0)
        for metric in POLARITY_FREE:
            found[OVERALL, metric] = np.mean([row[metric] for row in rows.values()], axis=0)
        return found

    def point(self) -> dict[Key, float | None]:
        """Every group and metric with each image counted once."""
        once = self.resampled(np.ones((1, len(self.image_ids))))
        return {key: none_if_nan(values[0]) for key, values in once.items()}


def split_by_question(records: Sequence[JudgmentRecord]) -> dict[str, list[JudgmentRecord]]:
    """Question to its records, all six in order; a question without records gets an empty list.

    Raises:
        ValueError: a record's question is none of the six.
    """
    found: dict[str, list[JudgmentRecord]] = {name: [] for name in QUESTION_NAMES}
    for record in records:
        if record.question not in found:
            known = ", ".join(QUESTION_NAMES)
            raise ValueError(f"{record.entity_id}: question is {record.question!r}, expected one of {known}")
        found[record.question].append(record)
    return found


def score_objectqa(records: Sequence[JudgmentRecord]) -> dict[str, Scores]:
    """Group to metrics: the six questions with their counts, the two dimensions, ``overall``.

    Raises:
        ValueError: an unknown question, an entity twice in a question, or an impossible value; names the
        record.
    """
    scores = {name: score_judgment(rows) for name, rows in split_by_question(records).items()}
    for (group, metric), value in ObjectQATable(records).point().items():
        if group not in QUESTION_NAMES:
            scores.setdefault(group, {})[metric] = value
    return scores


def objectqa_intervals(
    records: Sequence[JudgmentRecord], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, dict[str, Estimate]]:
    """Group to metrics with intervals; one draw of images resamples all questions, macro means included."""
    return _by_group(estimate_intervals(ObjectQATable(records), resamples=resamples, seed=seed))


def compare_objectqa(
    runs: Sequence[Sequence[JudgmentRecord]],
    pairs: Sequence[tuple[int, int]] = ((0, 1),),
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[dict[str, dict[str, Difference]]]:
    """Group to metrics, first minus second of each pair of runs, paired by image.

    Args:
        pairs: positions in ``runs``.

    Raises:
        ValueError: the runs were not scored on the same items with the same reference; names the item.
    """
    require_paired([{(r.question, r.entity_id): r.reference for r in run} for run in runs])
    found = estimate_differences([ObjectQATable(run) for run in runs], pairs, resamples=resamples, seed=seed)
    return [_by_group(one) for one in found]


def _by_group(values: Mapping[Key, T]) -> dict[str, dict[str, T]]:
    found: dict[str, dict[str, T]] = {}
    for (group, metric), value in values.items():
        found.setdefault(group, {})[metric] = value
    return found
