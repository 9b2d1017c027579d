"""The one definition of Q-Real Bench: dimensions, questions, polarity, flaw rule, body parts, prompts.

Every other module takes names and texts from here; nobody else spells a question.

The paper (arXiv 2511.16908) fixes how many questions there are, their order, their answers and how often the
answer is Yes. Its wording was not available to this project, so the texts below are the project's own. Replacing
them is a change of ``PROMPT_VERSION`` and of nothing else.

>>> question("plausibility_q4").dimension
<Dimension.PLAUSIBILITY: 'plausibility'>
>>> is_flawed(Dimension.REALISM, {"realism_q1": "Yes", "realism_q2": "No"})
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from qreal_tasks.boxes import Space

PROMPT_VERSION = "1"
"""Changes with any text in this file; stored in every record."""


class Dimension(StrEnum):
    """The two dimensions of section 3.1."""

    REALISM = "realism"
    PLAUSIBILITY = "plausibility"


class Answer(StrEnum):
    """The two answers to every ObjectQA question. ``Yes`` is the positive class of all six."""

    NO = "No"
    YES = "Yes"


ANSWERS = tuple(str(answer) for answer in Answer)
"""In the order of the dataset's ClassLabel: No is 0, Yes is 1."""


@dataclass(frozen=True)
class Question:
    """One ObjectQA question: its column in the dataset, its text, and the answer that reports a defect."""

    name: str
    dimension: Dimension
    text: str
    about: str
    """Two or three words for tables."""

    @property
    def defect(self) -> Answer:
        """The answer that reports a defect: No for realism, Yes for plausibility (polarity)."""
        return Answer.NO if self.dimension is Dimension.REALISM else Answer.YES


QUESTIONS: tuple[Question, ...] = (
    Question(
        "realism_q1",
        Dimension.REALISM,
        "Does the entity look as if a camera had captured it in the real world, rather than as if it had been "
        "drawn, painted or rendered?",
        "photographic look",
    ),
    Question(
        "realism_q2",
        Dimension.REALISM,
        "Are the colours, the lighting and the surface texture of the entity natural?",
        "natural colour, light",
    ),
    Question(
        "plausibility_q1",
        Dimension.PLAUSIBILITY,
        "Does the entity have missing, extra or misplaced parts?",
        "wrong parts",
    ),
    Question(
        "plausibility_q2",
        Dimension.PLAUSIBILITY,
        "Is the entity, or any part of it, deformed, broken or out of proportion?",
        "deformed shape",
    ),
    Question(
        "plausibility_q3",
        Dimension.PLAUSIBILITY,
        "Does the entity contradict common sense or the laws of physics, for instance by an impossible material "
        "or by floating without support?",
        "against physics",
    ),
    Question(
        "plausibility_q4",
        Dimension.PLAUSIBILITY,
        "Does the entity carry text or symbols that are garbled, misspelt or unreadable?",
        "garbled text",
    ),
)

QUESTION_NAMES: tuple[str, ...] = tuple(q.name for q in QUESTIONS)

BODY_PARTS: tuple[str, ...] = (
    "head_face",
    "hands",
    "limbs",
    "torso",
    "feet",
    "clothing",
    "environment_interaction",
)
"""The seven parts of the portrait protocol (section 3.3)."""

IMAGEQA_SETS: tuple[str, ...] = ("realism", "plausibility", "human_plausibility")
"""What ImageQA is asked and scored for, each by itself: the two dimensions, and portraits (Table 3)."""


def question(name: str) -> Question:
    """The question of that name.

    Raises:
        KeyError: there is no such question; the message lists the six names.
    """
    for candidate in QUESTIONS:
        if candidate.name == name:
            return candidate
    raise KeyError(f"unknown question {name!r}, expected one of {', '.join(QUESTION_NAMES)}")


def questions_of(dimension: Dimension) -> tuple[Question, ...]:
    """The questions of a dimension, in order."""
    return tuple(q for q in QUESTIONS if q.dimension is dimension)


def is_flawed(dimension: Dimension, answers: Mapping[str, str]) -> bool:
    """Whether an entity with these answers has an issue in ``dimension``.

    The flaw rule: realism, when either answer is No; plausibility, when any answer is Yes. The paper speaks of
    "low quality regions" without a rule; this one is the project's and is stored in the dataset as two booleans.

    Raises:
        KeyError: an answer of the dimension is missing.
    """
    return any(answers[q.name] == q.defect for q in questions_of(dimension))


def parts_description(parts: Mapping[str, str | None]) -> str:
    """The portrait protocol's seven descriptions as one text, in the order of ``BODY_PARTS``.

    >>> parts_description({"hands": "The left hand has six fingers.", "torso": None})
    'Hands: The left hand has six fingers.'
    """
    said = [(part, text.strip()) for part in BODY_PARTS if (text := parts.get(part)) and text.strip()]
    return " ".join(f"{part.replace('_', ' ').capitalize()}: {text}" for part, text in said)


_COORDINATES: dict[Space, str] = {
    Space.PIXELS: "absolute pixel coordinates of the image, which is {width} pixels wide and {height} pixels high",
    Space.RESIZED_PIXELS: "absolute pixel coordinates of the image as you see it",
    Space.NORM1000: "coordinates normalised to the range 0 to 1000, where [0, 0] is the top left corner and "
    "[1000, 1000] the bottom right corner of the image",
    Space.UNIT: "fractions of the image's width and height between 0 and 1, with three decimals",
}

FLAW: dict[str, str] = {
    "realism": "does not look real: it looks drawn or rendered, or its colours, lighting or surface texture are "
    "unnatural",
    "plausibility": "is not plausible: it has missing, extra or misplaced parts, is deformed or out of proportion, "
    "contradicts common sense or the laws of physics, or carries garbled text",
    "human_plausibility": "is a person and is not plausible: something is wrong with the head or face, the hands, "
    "the limbs, the torso, the feet, the clothing, or the way the person touches the surroundings",
}
"""What a flawed entity of each of ``IMAGEQA_SETS`` is, as the end of a sentence that begins with "the entity"."""

DESCRIBE: dict[str, str] = {
    "realism": "what looks unreal and why",
    "plausibility": "what is implausible and why",
    "human_plausibility": "for every affected body part, what is wrong and why",
}
"""What the description of a flawed entity says."""


def objectqa_prompt(name: str, label: str) -> str:
    """The text that goes with an entity's crop (ObjectQA, section 3.4).

    Args:
        name: one of ``QUESTION_NAMES``.
        label: what the entity is, as the dataset names it.
    """
    return (
        f"The image shows one entity, cropped from an AI-generated image: {label}.\n"
        f"{question(name).text}\n"
        "Answer with one word, Yes or No."
    )


def imageqa_prompt(name: str, space: Space, width: int, height: int) -> str:
    """The text that goes with a whole image (ImageQA, section 3.4).

    Args:
        name: one of ``IMAGEQA_SETS``.
        space: the space in which the model is asked to write its boxes.
        width, height: of the stored image in pixels; only ``Space.PIXELS`` tells them to the model.
    """
    return (
        f"This image was made by a generator. Find every entity in it that {FLAW[name]}.\n"
        f"Answer with a JSON list and nothing else, one object per entity: "
        f'{{"bbox_2d": [x1, y1, x2, y2], "label": "<what it is>", "description": "<{DESCRIBE[name]}>"}}.\n'
        f"{box_sentence(space, width, height)} If there is no such entity, answer []."
    )


def box_sentence(space: Space, width: int, height: int) -> str:
    """How to write ``bbox_2d``: the same words wherever a model is asked for boxes; arguments as there."""
    coordinates = _COORDINATES[space].format(width=width, height=height)
    return f"Give bbox_2d as {coordinates}, with x1 < x2 and y1 < y2."
