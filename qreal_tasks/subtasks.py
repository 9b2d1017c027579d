"""The three subtasks that ImageQA falls into, and what each is asked: detect, filter, describe (Table 4).

The paper compares one model tuned on ImageQA as a whole with an agent of three models, each tuned on one subtask and
run one after another: detect finds all entities of the image, filter says of every entity's crop whether it has the
issue, describe says what is wrong with those that have it. Training writes its targets to these texts and the agent
asks with them, so both take them from here. The paper prints no query of these: the wording is the project's own.

>>> print(filter_prompt("realism", "dog"))
The image shows one entity, cropped from an AI-generated image: dog.
Is it true that the entity does not look like it was taken in the real world, or has color, material texture or \
lighting that do not resemble those in the real world?
Answer with one word, Yes or No.
"""

from __future__ import annotations

from dataclasses import dataclass

from qreal_tasks.benchmark import DESCRIBE, FLAW, IMAGEQA_SETS, box_field, box_sentence, imageqa_prompt
from qreal_tasks.boxes import Space

SUBTASKS: tuple[str, ...] = ("detect", "filter", "describe")
"""In the order in which the agent runs them."""

SUBTASK_PROMPT_VERSION = "2"
"""Changes with any text in this file, as ``benchmark.PROMPT_VERSION`` with those it takes from there."""


@dataclass(frozen=True)
class ImageQAQuestion:
    """What an ImageQA prompt asks."""

    set_name: str
    """One of ``IMAGEQA_SETS``."""
    space: Space
    """In which the boxes are to be written."""


def detect_prompt(space: Space, width: int, height: int) -> str:
    """The text that goes with a whole image: all entities, flawed or not.

    The answer is a JSON list of ``{"bbox_2d": [x1, y1, x2, y2], "label": "…"}``, ``[]`` for an image without any.

    Args:
        space, width, height: as ``imageqa_prompt``.
    """
    return (
        "This image was made by a generator. Find every entity in it.\n"
        "Answer with a JSON list and nothing else, one object per entity: "
        f'{{{box_field(space)}, "label": "<what it is>"}}.\n'
        f"{box_sentence(space, width, height)} If there is no entity, answer []."
    )


def filter_prompt(set_name: str, label: str) -> str:
    """The text that goes with an entity's crop: Yes when the entity has the issue, No when it has not.

    It begins like ``describe_prompt`` up to the label, so that the questions about one crop share that prefix.

    Args:
        set_name: one of ``IMAGEQA_SETS``.
        label: what the entity is, as the dataset or the detecting model names it.

    Raises:
        ValueError: there is no such set.
    """
    return (
        f"The image shows one entity, cropped from an AI-generated image: {label}.\n"
        f"Is it true that the entity {FLAW[_known(set_name)]}?\n"
        "Answer with one word, Yes or No."
    )


def describe_prompt(set_name: str, label: str) -> str:
    """The text that goes with a flawed entity's crop; the answer is the description as plain text.

    Args and errors as ``filter_prompt``.
    """
    return (
        f"The image shows one entity, cropped from an AI-generated image: {label}.\n"
        f"The entity {FLAW[_known(set_name)]}.\n"
        f"Answer in plain text, with this and nothing else: {DESCRIBE[set_name]}."
    )


def question_of_imageqa(text: str, width: int, height: int) -> ImageQAQuestion:
    """Which set an ImageQA prompt asks for, and in which space.

    Args:
        text: what ``imageqa_prompt`` gave, to the letter.
        width, height: of the stored image in pixels, as the prompt was given them.

    Raises:
        ValueError: the text is no ImageQA prompt of this version for an image of this size.

    >>> question_of_imageqa(imageqa_prompt("realism", Space.UNIT, 800, 600), 800, 600)
    ImageQAQuestion(set_name='realism', space=<Space.UNIT: 'unit'>)
    """
    for set_name in IMAGEQA_SETS:
        for space in Space:
            if text == imageqa_prompt(set_name, space, width, height):
                return ImageQAQuestion(set_name, space)
    raise ValueError(
        f"expected the prompt of an ImageQA task ({', '.join(IMAGEQA_SETS)}) for an image of {width} x {height} "
        f"pixels, found {text[:120]!r}"
    )


def _known(set_name: str) -> str:
    if set_name not in IMAGEQA_SETS:
        raise ValueError(f"unknown set {set_name!r}, expected one of {', '.join(IMAGEQA_SETS)}")
    return set_name
