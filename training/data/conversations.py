"""From rows of the dataset to questions about a picture with the answers to be learnt.

The questions are those of the benchmark's tasks, the answers what its parsers and references hold: Yes or No, the
flawed entities in JSON or in the paper's format, a description. Nothing here knows a model but for the space it writes
boxes in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qreal_tasks.answers import format_answer
from qreal_tasks.benchmark import ANSWERS, Answer, Style, frame_of, imageqa_prompt, objectqa_prompt
from qreal_tasks.boxes import Space, as_written
from qreal_tasks.dataset.schema import has_parts
from qreal_tasks.records import Region
from qreal_tasks.samples import reference_regions
from qreal_tasks.subtasks import describe_prompt, detect_prompt, filter_prompt

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Exchange:
    """One question and its answer."""

    name: str
    """Name of the question or set."""
    prompt: str
    answer: str


@dataclass(frozen=True)
class Conversation:
    """A picture of the dataset and the exchanges about it, each of which stands alone."""

    task: str
    row: int
    """Number of the picture's row in the split of the config that the task shows."""
    size: tuple[int, int]
    """Width and height of the stored picture in pixels."""
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True)
class BoxFrame:
    """What the boxes of an answer are written in: the model's space, and the size that it is fed."""

    space: Space
    input_size: tuple[int, int]
    """Width and height that the processor feeds the model."""


def ask_objectqa(row: Row, questions: Sequence[str], style: Style) -> list[Exchange]:
    """Ask about an entity the six questions, or some of them."""
    return [Exchange(name, objectqa_prompt(name, frame_of(style, name)), ANSWERS[row[name]]) for name in questions]


def ask_imageqa(row: Row, sets: Sequence[str], frame: BoxFrame, style: Style) -> list[Exchange]:
    """Ask an image for each set: the entities with an issue, as JSON or, in the paper's style, in its format.

    The human set is for portraits whose people went through the body-part protocol, with that protocol's description.
    """
    size = row["width"], row["height"]
    write = format_regions_paper if style is Style.PAPER else format_regions_json
    return [
        Exchange(
            name,
            imageqa_prompt(name, frame.space, *size, frame_of(style, name)),
            write(reference_regions(row, name), row, frame),
        )
        for name in sets
        if name != "human_plausibility" or is_portrait(row)
    ]


def ask_detect(row: Row, frame: BoxFrame) -> list[Exchange]:
    """Ask an image for all of its entities (the agent's first subtask, Table 4)."""
    prompt = detect_prompt(frame.space, row["width"], row["height"])
    return [Exchange("detect", prompt, format_regions_json(list_regions(row), row, frame, described=False))]


def ask_filter(row: Row, sets: Sequence[str], issues: Mapping[str, str], portrait: bool) -> list[Exchange]:
    """Ask an entity whether it has the issue of each set (the second subtask).

    Args:
        row: of config ``objectqa``.
        issues: description by set, of the sets in which the entity is flawed.
        portrait: whether its image belongs to the human set, see ``is_portrait``.
    """
    return [
        Exchange(name, filter_prompt(name, row["label"]), str(Answer.YES if name in issues else Answer.NO))
        for name in sets
        if name != "human_plausibility" or portrait
    ]


def ask_describe(row: Row, sets: Sequence[str], issues: Mapping[str, str]) -> list[Exchange]:
    """Ask a flawed entity what is wrong with it (the third subtask); arguments as ``ask_filter``."""
    described = (name for name in sets if issues.get(name, "").strip())
    return [Exchange(name, describe_prompt(name, row["label"]), issues[name]) for name in described]


def format_regions_json(regions: Sequence[Region], row: Row, frame: BoxFrame, described: bool = True) -> str:
    """Write the answer that ``imageqa_prompt`` and ``detect_prompt`` ask for.

    >>> format_regions_json([Region("dog", (10, 20, 30, 40), "Five legs.")], {"width": 100, "height": 100},
    ...                 BoxFrame(Space.NORM1000, (56, 56)))
    '[{"bbox_2d": [100, 200, 300, 400], "label": "dog", "description": "Five legs."}]'

    Raises:
        ValueError: a box has no area inside the image.
    """
    entities = [
        {"bbox_2d": box, "label": region.label} | ({"description": region.description} if described else {})
        for box, region in zip(_boxes(regions, row, frame), regions, strict=True)
    ]
    return json.dumps(entities, ensure_ascii=False)


def format_regions_paper(regions: Sequence[Region], row: Row, frame: BoxFrame) -> str:
    """Write the answer that the paper shows to its bare query (Figure 6), see ``format_regions_json``."""
    boxes: Sequence[Sequence[float]] = _boxes(regions, row, frame)
    return format_answer((r.label, box, r.description) for box, r in zip(boxes, regions, strict=True))


def _boxes(regions: Sequence[Region], row: Row, frame: BoxFrame) -> list[list[int]] | list[list[float]]:
    size = row["width"], row["height"]
    return as_written([region.bbox_px for region in regions], frame.space, *size, frame.input_size)


def list_regions(row: Row) -> tuple[Region, ...]:
    """List every entity of an image, flawed or not, in the dataset's order."""
    return tuple(Region(e["label"], tuple(e["bbox"]), "", e["entity_id"]) for e in row["entities"])


def collect_issues(images: Sequence[Row] | Iterator[Row], sets: Sequence[str]) -> dict[str, dict[str, str]]:
    """Collect, for every entity by its id, the description by set, of the sets in which it is flawed."""
    issues: dict[str, dict[str, str]] = {}
    for row in images:
        for name in sets:
            for region in reference_regions(row, name):
                issues.setdefault(str(region.entity_id), {})[name] = region.description
    return issues


def is_portrait(row: Row) -> bool:
    """Whether an image belongs to the human set: as ``harness.hooks.portraits`` chooses."""
    return bool(row["is_portrait"]) and any(map(has_parts, row["entities"]))
