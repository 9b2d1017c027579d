"""Every prompt of the benchmark on a dataset, in the words of the tasks to the letter, and the picture with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from qreal_tasks.benchmark import (
    IMAGEQA_SETS,
    QUESTION_NAMES,
    Style,
    frame_of,
    imageqa_prompt,
    objectqa_prompt,
    task_of,
)
from qreal_tasks.boxes import DEFAULT_BOX_SPACE, Space
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.schema import CONFIGS
from qreal_tasks.dataset.source import Source
from qreal_tasks.prompt_files.picture_files import CROPS, IMAGES, FedSizes, encode_picture, picture_name
from qreal_tasks.prompt_files.prompt_id import PromptId
from qreal_tasks.samples import in_human_set

ALL_NAMES = (*QUESTION_NAMES, *IMAGEQA_SETS)
"""The six questions and the three sets."""


@dataclass(frozen=True)
class PromptOptions:
    """Which prompts are wanted, and how they ask for boxes."""

    style: Style
    space: Space | None = None
    """In which the model is asked to write boxes; None for the default, which is then assumed."""
    sizes: FedSizes | None = None
    """Brings pictures to the size that the model is fed; only for ``Space.RESIZED_PIXELS``."""
    names: Collection[str] = ALL_NAMES


@dataclass(frozen=True)
class PromptedPicture:
    """One picture, and all prompts about it: the words of each by its id."""

    name: str
    """Its path below the folder of all pictures."""
    row: Mapping[str, Any]
    """Of the dataset, the picture among it."""
    prompts: Mapping[PromptId, str]

    def encode(self, sizes: FedSizes | None) -> bytes:
        """The picture as PNG (``encode_picture``)."""
        return encode_picture(self.row, self.name, sizes)


def list_prompts(source: Source, options: PromptOptions) -> Iterator[PromptedPicture]:
    """Every prompt on the test split, picture by picture, in the order of the dataset.

    Raises:
        DatasetError: the dataset cannot be loaded.
    """
    questions = [name for name in QUESTION_NAMES if name in options.names]
    sets = [name for name in IMAGEQA_SETS if name in options.names]
    if questions:
        yield from (_about_entity(row, questions, options) for row in _rows(source, CONFIGS[0]))
    if sets:
        asked = (_about_image(row, sets, options) for row in _rows(source, CONFIGS[1]))
        yield from (one for one in asked if one.prompts)


def _rows(source: Source, config: str) -> Dataset:
    return load_split(source, config, "test")


def _about_entity(row: Mapping[str, Any], questions: Sequence[str], options: PromptOptions) -> PromptedPicture:
    entity_id = row["entity_id"]
    prompts = {
        PromptId(task_of(options.style, name), entity_id): objectqa_prompt(name, frame_of(options.style, name))
        for name in questions
    }
    return PromptedPicture(picture_name(CROPS, entity_id), row, prompts)


def _about_image(row: Mapping[str, Any], sets: Sequence[str], options: PromptOptions) -> PromptedPicture:
    image_id, size = row["image_id"], (row["width"], row["height"])
    fed = options.sizes.reported(size) if options.sizes else None
    prompts = {
        PromptId(task_of(options.style, name), image_id, options.space, fed): imageqa_prompt(
            name, options.space or DEFAULT_BOX_SPACE, *size, frame_of(options.style, name)
        )
        for name in sets
        if name != "human_plausibility" or in_human_set(row)
    }
    return PromptedPicture(picture_name(IMAGES, image_id, fed), row, prompts)
