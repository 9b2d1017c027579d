"""The samples of a run as lines of Every Eval Ever: what was asked, what was answered, and what it was worth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from qreal_tasks.metrics.grounding import grounding_sums
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record
from qreal_tasks.results.asked import render_prompt
from qreal_tasks.results.run_folder import Run


def build_sample_lines(run: Run, evaluation_id: str, model_id: str, schema_version: str) -> Iterator[dict[str, Any]]:
    """One line a sample: accuracy for ObjectQA, F1 at .5 for ImageQA.

    A clean image has no F1, so no line. Metrics that are no mean over samples, such as AUC, have none either.
    """
    for task in run.tasks:
        for record in sorted(task.records, key=lambda record: record.sample_id):
            score = _score(record)
            if score is None:
                continue
            group, metric = _measured(record)
            asked = {"raw": render_prompt(record), "reference": _reference(record)}
            yield {
                "schema_version": schema_version,
                "evaluation_id": evaluation_id,
                "model_id": model_id,
                "evaluation_name": task.task,
                "evaluation_result_id": f"{group}.{metric}",
                "sample_id": record.sample_id,
                "sample_hash": _hash(asked),
                "interaction_type": "single_turn",
                "input": asked,
                "output": {"raw": [_whole(record.raw)]},
                "answer_attribution": [
                    {
                        "turn_idx": 0,
                        "source": "output.raw",
                        "extracted_value": _extracted(record),
                        "extraction_method": "qreal_tasks.answers",
                        "is_terminal": True,
                    }
                ],
                "evaluation": {"score": score, "is_correct": score == 1.0},
                "error": record.reason and _whole(record.reason),
                "metadata": _metadata(record),
            }


def _measured(record: Record) -> tuple[str, str]:
    if isinstance(record, JudgmentRecord):
        return f"objectqa.{record.question}", "acc"
    return f"imageqa.{record.set_name}", "f1_at_50"


def _score(record: Record) -> float | None:
    if isinstance(record, JudgmentRecord):
        return float(record.answer == record.reference)
    num, den = grounding_sums(record)["f1_at_50"]
    return num / den if den else None


def _reference(record: Record) -> list[str]:
    if isinstance(record, JudgmentRecord):
        return [record.reference]
    return [_region(region.label, region.bbox_px, region.description) for region in record.reference]


def _extracted(record: Record) -> str:
    if isinstance(record, JudgmentRecord):
        return record.answer or ""
    return "[" + ", ".join(_region(r.label, r.bbox_px, r.description) for r in record.predicted) + "]"


def _region(label: str, box_px: tuple[float, float, float, float], description: str) -> str:
    region = {"bbox_px": box_px, "label": _whole(label), "description": _whole(description)}
    return json.dumps(region, ensure_ascii=False)


def _metadata(record: Record) -> dict[str, str]:
    shared = {"image_id": record.image_id, "generator": record.generator, "is_portrait": str(record.is_portrait)}
    if isinstance(record, GroundingRecord):
        return {**shared, "box_space": record.space}
    return {**shared, "label": record.label, **({} if record.p_yes is None else {"p_yes": repr(record.p_yes)})}


def _hash(asked: dict[str, Any]) -> str:
    """The recipe by which lines of different models are joined."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _whole(text: str) -> str:
    """Half a surrogate pair, which other readers of JSON refuse, becomes the replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
