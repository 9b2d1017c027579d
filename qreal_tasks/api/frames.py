"""Records as pandas frames, a row for each thing that can be right or wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from qreal_tasks.records import GroundingRecord, JudgmentRecord

_SHARED = ("image_id", "entity_id", "generator", "is_portrait", "label")
OBJECTQA_COLUMNS = ("question", *_SHARED, "reference", "answer", "reason", "correct", "p_yes", "mass", "raw")
IMAGEQA_COLUMNS = (
    *("set", *_SHARED, "predicted_label", "reference_box", "predicted_box", "iou", "correct"),
    *("reference_description", "predicted_description", "llm_score", "reason", "raw"),
)
_NUMBERS = ("p_yes", "mass", "iou", "llm_score")


def frame_of_answers(records: Sequence[JudgmentRecord]) -> pd.DataFrame:
    """The answers to the six questions: a row for each, with the columns ``OBJECTQA_COLUMNS``."""
    return _frame((_answer_row(record) for record in records), OBJECTQA_COLUMNS)


def frame_of_entities(records: Sequence[GroundingRecord]) -> pd.DataFrame:
    """The entities of the sets: a row for each that is marked in the reference or in the answer, with the columns
    ``IMAGEQA_COLUMNS``; those that belong together (``metrics.matching``) share a row.

    ``correct`` says that the boxes overlap with IoU over .5. An image with no entity on either side has a row without
    any, which is correct unless its answer could not be read.
    """
    return _frame((row for record in records for row in _entity_rows(record)), IMAGEQA_COLUMNS)


def _frame(rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame.from_records(list(rows), columns=list(columns))
    return frame.astype({**{name: "float64" for name in _NUMBERS if name in columns}, "correct": "bool"})


def _answer_row(record: JudgmentRecord) -> dict[str, Any]:
    return {
        **{name: getattr(record, name) for name in OBJECTQA_COLUMNS if name != "correct"},
        "correct": record.answer == record.reference,
    }


def _entity_rows(record: GroundingRecord) -> Iterator[dict[str, Any]]:
    from qreal_tasks.metrics.description import IOU_THRESHOLD
    from qreal_tasks.metrics.matching import match

    pairs = match(record.predicted, record.reference)
    scores = record.scores or (None,) * len(pairs)
    by_reference = {pair.gt: (pair, score) for pair, score in zip(pairs, scores, strict=True)}
    shared = {
        "set": record.set_name,
        "image_id": record.image_id,
        "generator": record.generator,
        "is_portrait": record.is_portrait,
        "reason": record.reason,
        "raw": record.raw,
        "correct": False,
    }
    if not record.predicted and not record.reference:
        yield {**shared, "correct": record.reason is None}
    for place, region in enumerate(record.reference):
        row = {
            **shared,
            "entity_id": region.entity_id,
            "label": region.label,
            "reference_box": region.bbox_px,
            "reference_description": region.description,
        }
        if place in by_reference:
            pair, score = by_reference[place]
            row |= _predicted(record, pair.pred)
            row |= {"iou": pair.iou, "llm_score": score, "correct": pair.iou > IOU_THRESHOLD}
        yield row
    for place in sorted(set(range(len(record.predicted))) - {pair.pred for pair in pairs}):
        yield {**shared, **_predicted(record, place)}


def _predicted(record: GroundingRecord, place: int) -> dict[str, Any]:
    region = record.predicted[place]
    return {
        "predicted_label": region.label,
        "predicted_box": region.bbox_px,
        "predicted_description": region.description,
    }
