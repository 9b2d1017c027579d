"""Records of samples, made from a row of the dataset and the answer of a model.

record = build_record(row, "realism_q1", ModelAnswer("Yes", p_yes=0.8), SampleContext("org/name"))

The task hooks, predictions from elsewhere, and the evaluation while a model is being trained, make their records here;
so a reference, and what counts as read, cannot differ between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qreal_tasks.answers import (
    locate_regions,
    parse_entities,
    parse_input_size,
    parse_judgment,
    parse_scores,
    parse_unanswered,
)
from qreal_tasks.benchmark import (
    ANSWERS,
    IMAGEQA_SETS,
    PROMPT_VERSION,
    PromptFrame,
    Style,
    frame_of,
    parts_description,
)
from qreal_tasks.boxes import DEFAULT_BOX_SPACE, Space
from qreal_tasks.dataset.schema import has_parts
from qreal_tasks.records import GroundingRecord, JudgmentRecord, ReasoningMarks, Record, Region

Row = Mapping[str, Any]

NO_INPUT_SIZE = "backend reports no input size"
"""Why boxes in ``Space.RESIZED_PIXELS`` could not be read."""


@dataclass(frozen=True)
class ModelAnswer:
    """What a model said about one sample, and what is known beside its text."""

    text: str
    p_yes: float | None = None
    """P(Yes) against P(No), 0 to 1; None when there is none."""
    mass: float | None = None
    """Probability that the spellings of Yes and No cover together; None when unknown."""
    input_size: tuple[int, int] | None = None
    """Width and height that the model was fed, in pixels; needed for boxes in ``Space.RESIZED_PIXELS`` alone."""
    unanswered: str | None = None
    """Why there is no answer, where the text is none."""

    @classmethod
    def from_response(cls, text: str, beside: str | None) -> ModelAnswer:
        """The answer in the two strings of a response of the harness: the text, and what the backend reports beside it
        (``answers.scores``)."""
        scores = parse_scores(beside)
        return cls(
            text=text,
            p_yes=scores.p_yes if scores else None,
            mass=scores.mass if scores else None,
            input_size=parse_input_size(beside),
            unanswered=parse_unanswered(beside),
        )


@dataclass(frozen=True)
class SampleContext:
    """What records hold beside the dataset's row and the model's answer: of which dataset, and how it was asked."""

    data: str
    """The dataset's name."""
    style: Style = Style.BENCHMARK
    frame: PromptFrame | None = None
    """What stood around the question or query; None for the words of ``style``."""
    space: Space | None = None
    """In which the model was asked to write boxes; None when nobody declared one, so that the default is assumed."""
    reasoning_marks: ReasoningMarks = ()
    """Of the run's model, beside those that are known (``answers.reasoning``)."""

    def frame_of(self, name: str) -> PromptFrame:
        """What stood around the query of a question or an ImageQA set."""
        return self.frame or frame_of(self.style, name)


@dataclass(frozen=True)
class ReadJudgment:
    """What an answer to one of the six questions says."""

    answer: str | None
    """"Yes" or "No"; None when it could not be read as either."""
    reason: str | None
    """Why there is none."""


@dataclass(frozen=True)
class ReadRegions:
    """What an answer about a whole image says."""

    regions: tuple[Region, ...]
    """Valid boxes only, clipped to the image, in the order of the text."""
    reason: str | None = None
    """Why nothing could be read; None when it was read, also as an empty list."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Entities left out, counted by reason."""
    clipped: int = 0
    """How many of ``regions`` reached outside the image."""


def read_judgment(answer: ModelAnswer, reasoning_marks: ReasoningMarks = ()) -> ReadJudgment:
    """Read an answer to one of the six questions."""
    judgment = parse_judgment(answer.text, reasoning_marks=reasoning_marks)
    return ReadJudgment(judgment.answer, judgment.reason and (answer.unanswered or str(judgment.reason)))


def read_regions(
    answer: ModelAnswer, space: Space, size: tuple[int, int], reasoning_marks: ReasoningMarks = ()
) -> ReadRegions:
    """Read an answer that lists entities with boxes.

    Args:
        space: in which the boxes were asked for.
        size: width and height of the stored image, in pixels.
    """
    entities = parse_entities(answer.text, reasoning_marks=reasoning_marks)
    if entities.reason is not None:
        return ReadRegions((), answer.unanswered or str(entities.reason))
    if space is Space.RESIZED_PIXELS and answer.input_size is None:
        return ReadRegions((), NO_INPUT_SIZE)
    located = locate_regions(entities, space, *size, answer.input_size)
    return ReadRegions(located.regions, None, dict(located.dropped), located.clipped)


def build_record(row: Row, name: str, answer: ModelAnswer, context: SampleContext) -> Record:
    """The record of one sample of any of the nine tasks.

    Args:
        row: of config ``imageqa`` for one of ``IMAGEQA_SETS``, of config ``objectqa`` for one of ``QUESTION_NAMES``;
            the picture is not needed.
        name: the question or the set.
    """
    build = grounding_record if name in IMAGEQA_SETS else judgment_record
    return build(row, name, answer, context)


def judgment_record(row: Row, question: str, answer: ModelAnswer, context: SampleContext) -> JudgmentRecord:
    """The record of one question about one entity; arguments as ``build_record``."""
    frame, marks = context.frame_of(question), context.reasoning_marks
    read = read_judgment(answer, marks)
    return JudgmentRecord(
        question=question,
        entity_id=row["entity_id"],
        image_id=row["image_id"],
        generator=row["generator"],
        is_portrait=row["is_portrait"],
        label=row["label"],
        reference=ANSWERS[row[question]],
        raw=answer.text,
        answer=read.answer,
        reason=read.reason,
        p_yes=answer.p_yes,
        mass=answer.mass,
        prompt_version=PROMPT_VERSION,
        pre_prompt=frame.pre,
        post_prompt=frame.post,
        data=context.data,
        reasoning_marks=marks,
    )


def grounding_record(
    row: Row, set_name: str, answer: ModelAnswer, context: SampleContext, reference: tuple[Region, ...] | None = None
) -> GroundingRecord:
    """The record of one image asked for the entities of one set; arguments as ``build_record``.

    Args:
        reference: by default the flawed entities, ``reference_regions``.
    """
    frame, marks, space = context.frame_of(set_name), context.reasoning_marks, context.space or DEFAULT_BOX_SPACE
    read = read_regions(answer, space, (row["width"], row["height"]), marks)
    return GroundingRecord(
        set_name=set_name,
        image_id=row["image_id"],
        generator=row["generator"],
        is_portrait=row["is_portrait"],
        width=row["width"],
        height=row["height"],
        space=str(space),
        input_size=answer.input_size,
        raw=answer.text,
        reason=read.reason,
        predicted=read.regions,
        dropped=dict(read.dropped),
        clipped=read.clipped,
        reference=reference_regions(row, set_name) if reference is None else reference,
        prompt_version=PROMPT_VERSION,
        pre_prompt=frame.pre,
        post_prompt=frame.post,
        data=context.data,
        space_assumed=context.space is None,
        reasoning_marks=marks,
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
