"""From a row of the dataset and what a model said about it to the record of that sample.

The task hooks, and the evaluation while a model is being trained, make their records here; so a reference, and what
counts as read, cannot differ between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qreal_tasks.answers import (
    locate_regions,
    parse_entities,
    parse_input_size,
    parse_judgment,
    parse_scores,
    parse_unanswered,
)
from qreal_tasks.benchmark import ANSWERS, PROMPT_VERSION, Frame, Style, frame_of, parts_description
from qreal_tasks.boxes import Space
from qreal_tasks.dataset.schema import has_parts
from qreal_tasks.records import GroundingRecord, JudgmentRecord, ReasoningMarks, Region

Row = Mapping[str, Any]

NO_INPUT_SIZE = "backend reports no input size"
"""Why boxes in ``Space.RESIZED_PIXELS`` could not be read."""


def judgment_record(
    row: Row,
    question: str,
    text: str,
    beside: str | None,
    data: str,
    frame: Frame | None = None,
    *,
    reasoning_marks: ReasoningMarks = (),
) -> JudgmentRecord:
    """The record of one question about one entity.

    Args:
        row: of config ``objectqa``; the picture is not needed.
        question: one of ``QUESTION_NAMES``.
        text: what the model said.
        beside: what the backend reports beside it (``answers.scores``).
        data: the dataset's name.
        frame: what stood around the question; by default that of the benchmark.
        reasoning_marks: of the run's model, beside those that are known (``answers.reasoning``).
    """
    frame = frame or frame_of(Style.BENCHMARK, question)
    judgment, scores = parse_judgment(text, reasoning_marks=reasoning_marks), parse_scores(beside)
    unanswered = parse_unanswered(beside)
    return JudgmentRecord(
        question=question,
        entity_id=row["entity_id"],
        image_id=row["image_id"],
        generator=row["generator"],
        is_portrait=row["is_portrait"],
        label=row["label"],
        reference=ANSWERS[row[question]],
        raw=text,
        answer=judgment.answer,
        reason=judgment.reason and (unanswered or str(judgment.reason)),
        p_yes=scores.p_yes if scores else None,
        mass=scores.mass if scores else None,
        prompt_version=PROMPT_VERSION,
        pre_prompt=frame.pre,
        post_prompt=frame.post,
        data=data,
        reasoning_marks=reasoning_marks,
    )


def grounding_record(
    row: Row,
    set_name: str,
    text: str,
    beside: str | None,
    space: Space,
    data: str,
    frame: Frame | None = None,
    reference: tuple[Region, ...] | None = None,
    space_assumed: bool = False,
    *,
    reasoning_marks: ReasoningMarks = (),
) -> GroundingRecord:
    """The record of one image asked for the entities of one set.

    Args:
        row: of config ``imageqa``; the picture is not needed.
        set_name: one of ``IMAGEQA_SETS``.
        text, beside, data, frame, reasoning_marks: as ``judgment_record``.
        space: in which the model was asked to write its boxes.
        reference: by default the flawed entities, ``reference_regions``.
        space_assumed: nobody declared ``space``.
    """
    frame = frame or frame_of(Style.BENCHMARK, set_name)
    input_size, entities = parse_input_size(beside), parse_entities(text, reasoning_marks=reasoning_marks)
    reason: str | None = entities.reason and (parse_unanswered(beside) or str(entities.reason))
    if reason is None and space is Space.RESIZED_PIXELS and input_size is None:
        reason = NO_INPUT_SIZE
    if reason is None:
        located = locate_regions(entities, space, row["width"], row["height"], input_size)
        predicted, dropped, clipped = located.regions, dict(located.dropped), located.clipped
    else:
        predicted, dropped, clipped = (), {}, 0
    return GroundingRecord(
        set_name=set_name,
        image_id=row["image_id"],
        generator=row["generator"],
        is_portrait=row["is_portrait"],
        width=row["width"],
        height=row["height"],
        space=str(space),
        input_size=input_size,
        raw=text,
        reason=reason,
        predicted=predicted,
        dropped=dropped,
        clipped=clipped,
        reference=reference_regions(row, set_name) if reference is None else reference,
        prompt_version=PROMPT_VERSION,
        pre_prompt=frame.pre,
        post_prompt=frame.post,
        data=data,
        space_assumed=space_assumed,
        reasoning_marks=reasoning_marks,
    )


def reference_regions(row: Row, set_name: str) -> tuple[Region, ...]:
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
        for entity in row["entities"]
        if entity[f"{dimension}_flawed"] and (not human or has_parts(entity))
    )


def in_human_set(row: Row) -> bool:
    """Whether a row of ``imageqa`` is in the human-plausibility set: a portrait with body-part descriptions."""
    return bool(row["is_portrait"]) and any(map(has_parts, row["entities"]))
