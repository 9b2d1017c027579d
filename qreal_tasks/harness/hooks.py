"""Task hooks: adapt the harness's documents and responses to parsers, records and metrics. They decide nothing.

A hook never raises on what a model wrote: an exception here costs the whole run. The YAML refers to them by name, for
each question or set: ``text_<name>``, ``target_<name>``, ``process_<name>``; for each metric:
``objectqa_<metric>``, ``imageqa_<metric>``.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset
from loguru import logger

from qreal_tasks.answers import (
    parse_entities,
    parse_input_size,
    parse_judgment,
    parse_scores,
    parse_unanswered,
    regions_in_pixels,
)
from qreal_tasks.benchmark import (
    ANSWERS,
    IMAGEQA_SETS,
    PROMPT_VERSION,
    QUESTION_NAMES,
    imageqa_prompt,
    objectqa_prompt,
    parts_description,
)
from qreal_tasks.boxes import Space
from qreal_tasks.dataset import ENVIRONMENT, DatasetError, locate
from qreal_tasks.dataset_check import has_parts
from qreal_tasks.harness.box_space import declared_space
from qreal_tasks.harness.judge import with_scores
from qreal_tasks.metrics import IMAGEQA_LIVE, OBJECTQA_LIVE
from qreal_tasks.metrics.grounding import grounding_sums
from qreal_tasks.metrics.judgment import judgment_sums, score_judgment
from qreal_tasks.metrics.sums import Ratio, aggregate
from qreal_tasks.models.images import as_rgb
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Region, to_json

Doc = Mapping[str, Any]


def visual(doc: Doc) -> list[Any]:
    """The document's one picture: the entity's crop, or the whole image; in RGB for every backend."""
    return [as_rgb(doc["image"])]


def portraits(dataset: Dataset) -> Dataset:
    """The rows of the human-plausibility set: portraits whose people went through the body-part protocol.

    Raises:
        DatasetError: there are none.
    """
    rows = dataset.select_columns(["is_portrait", "entities"])
    keep = [n for n, row in enumerate(rows) if row["is_portrait"] and any(map(has_parts, row["entities"]))]
    if not keep:
        raise DatasetError(
            f"dataset {locate().name} has no portrait with body-part descriptions, so "
            "qreal_imageqa_human_plausibility cannot run; choose the other tasks"
        )
    return dataset.select(keep)


def count(items: Sequence[Any]) -> int:
    """How many samples there were."""
    return len(items)


def _responses(results: Sequence[Any]) -> tuple[str, str | None]:
    """The model's text, and what the backend reports beside it as a second string."""
    first = results[0] if results else ""
    strings = [*first] if isinstance(first, (list, tuple)) else [*results]
    text = strings[0] if strings and isinstance(strings[0], str) else ""
    beside = strings[1] if len(strings) > 1 and isinstance(strings[1], str) else None
    return text, beside


@functools.cache
def _data_name(value: str) -> str:
    """What records call the dataset; looked up once, not once a sample: it walks a folder's files."""
    return locate(value).name


@functools.cache
def _say_once(text: str) -> None:
    logger.error(text)


def _judgment_record(doc: Doc, results: Sequence[Any], question: str) -> JudgmentRecord:
    text, beside = _responses(results)
    judgment, scores = parse_judgment(text), parse_scores(beside)
    unanswered = parse_unanswered(beside)
    return JudgmentRecord(
        question=question,
        entity_id=doc["entity_id"],
        image_id=doc["image_id"],
        generator=doc["generator"],
        is_portrait=doc["is_portrait"],
        label=doc["label"],
        reference=ANSWERS[doc[question]],
        raw=text,
        answer=judgment.answer,
        reason=judgment.reason and (unanswered or str(judgment.reason)),
        p_yes=scores.p_yes if scores else None,
        mass=scores.mass if scores else None,
        prompt_version=PROMPT_VERSION,
        data=_data_name(os.environ.get(ENVIRONMENT, "")),
    )


def _grounding_record(doc: Doc, results: Sequence[Any], set_name: str) -> GroundingRecord:
    text, beside = _responses(results)
    space, input_size = declared_space(), parse_input_size(beside)
    entities = parse_entities(text)
    reason: str | None = entities.reason and (parse_unanswered(beside) or str(entities.reason))
    if reason is None and space is Space.RESIZED_PIXELS and input_size is None:
        reason = "backend reports no input size"
        _say_once(
            "qreal: boxes in resized_pixels cannot be read, because this backend does not report the size it fed the "
            "model: every ImageQA answer counts as unreadable. Set QREAL_BOX_SPACE to another space."
        )
    if reason is None:
        located = regions_in_pixels(entities, space, doc["width"], doc["height"], input_size)
        predicted, dropped, clipped = located.regions, dict(located.dropped), located.clipped
    else:
        predicted, dropped, clipped = (), {}, 0
    return GroundingRecord(
        set_name=set_name,
        image_id=doc["image_id"],
        generator=doc["generator"],
        is_portrait=doc["is_portrait"],
        width=doc["width"],
        height=doc["height"],
        space=str(space),
        input_size=input_size,
        raw=text,
        reason=reason,
        predicted=predicted,
        dropped=dropped,
        clipped=clipped,
        reference=reference_regions(doc, set_name),
        prompt_version=PROMPT_VERSION,
        data=_data_name(os.environ.get(ENVIRONMENT, "")),
    )


def reference_regions(doc: Doc, set_name: str) -> tuple[Region, ...]:
    """The flawed entities of an image for one of ``IMAGEQA_SETS``, with the description to compare with.

    The human set takes the people with body-part descriptions that are flawed in plausibility, and those seven
    descriptions as one text.
    """
    human = set_name == "human_plausibility"
    dimension = "plausibility" if human else set_name
    return tuple(
        Region(
            label=entity["label"],
            bbox_px=tuple(entity["bbox"]),
            description=parts_description(entity["parts"]) if human else entity[f"{dimension}_description"],
            entity_id=entity["entity_id"],
        )
        for entity in doc["entities"]
        if entity[f"{dimension}_flawed"] and (not human or has_parts(entity))
    )


OBJECTQA_OTHERS = ("auc", "mcc", "balanced")
"""Metrics whose item is what of the record they need: the sample, its reference, its answer and P(Yes)."""

OBJECTQA_RATIOS = tuple(metric for metric in OBJECTQA_LIVE if metric not in OBJECTQA_OTHERS)
"""Metrics whose item is what the sample adds to numerator and denominator, like all of ImageQA's."""


def _objectqa_items(record: JudgmentRecord) -> dict[str, Any]:
    sums = judgment_sums(record)
    scored = [
        record.question,
        record.image_id,
        record.entity_id,
        record.reference,
        record.answer,
        record.p_yes,
    ]
    return {
        **{metric: list(sums[metric]) for metric in OBJECTQA_RATIOS},
        **dict.fromkeys(OBJECTQA_OTHERS, scored),
        "records": to_json(record),
    }


def _imageqa_items(record: GroundingRecord) -> dict[str, Any]:
    try:
        sums = grounding_sums(record)
    except ValueError as error:  # only a reference that `qreal data check` refuses
        logger.error(f"qreal: not scored: {error}")
        sums = {}
    return {
        **{metric: list(sums.get(metric, (0, 0))) for metric in IMAGEQA_LIVE},
        "records": to_json(record),
    }


def _aggregate_ratios(items: Sequence[Sequence[float]]) -> float | None:
    return aggregate(Ratio(num, den) for num, den in items)


def _scored_records(items: Sequence[Sequence[Any]]) -> list[JudgmentRecord]:
    return [
        JudgmentRecord(
            *(question, entity_id, image_id),
            generator="",
            is_portrait=False,
            label="",
            reference=reference,
            raw="",
            answer=answer,
            reason=None,
            p_yes=p_yes,
            mass=None,
            prompt_version="",
            data="",
        )
        for question, image_id, entity_id, reference, answer, p_yes in items
    ]


def _define_aggregation(task: str, metric: str) -> None:
    """An aggregation that never raises: an exception there would cost the whole run, whose samples are still good."""

    def aggregation(items: Sequence[Any]) -> float | None:
        try:
            if metric in OBJECTQA_OTHERS and task == "objectqa":
                return score_judgment(_scored_records(items))[metric]
            return _aggregate_ratios(items)
        except ValueError as error:
            logger.error(f"qreal {task} {metric} is left undefined: {error}")
            return None

    globals()[f"{task}_{metric}"] = aggregation


def _define_objectqa(question: str) -> None:
    def text(doc: Doc) -> str:
        return objectqa_prompt(question, doc["label"])

    def target(doc: Doc) -> str:
        return ANSWERS[doc[question]]

    def process(doc: Doc, results: Sequence[Any]) -> dict[str, Any]:
        return _objectqa_items(_judgment_record(doc, results, question))

    globals().update({f"text_{question}": text, f"target_{question}": target, f"process_{question}": process})


def _define_imageqa(set_name: str) -> None:
    def text(doc: Doc) -> str:
        return imageqa_prompt(set_name, declared_space(), doc["width"], doc["height"])

    def target(doc: Doc) -> str:
        return json.dumps([region.bbox_px for region in reference_regions(doc, set_name)])

    def process(doc: Doc, results: Sequence[Any]) -> dict[str, Any]:
        return _imageqa_items(with_scores(_grounding_record(doc, results, set_name)))

    globals().update({f"text_{set_name}": text, f"target_{set_name}": target, f"process_{set_name}": process})


for _name in QUESTION_NAMES:
    _define_objectqa(_name)
for _name in IMAGEQA_SETS:
    _define_imageqa(_name)
for _name in (*OBJECTQA_RATIOS, *OBJECTQA_OTHERS):
    _define_aggregation("objectqa", _name)
for _name in IMAGEQA_LIVE:
    _define_aggregation("imageqa", _name)
