"""The one definition of Q-Real Bench: dimensions, questions, polarity, flaw rule, body parts, prompts.

Every other module takes names and texts from here; nobody else spells a question.

The six questions and the query of ImageQA are the paper's (arXiv 2511.16908, sections 3.2 and 4.1), to the letter. A
model is asked with a query and what stands before and after it (``PromptFrame``). Two styles differ in that alone:
``benchmark`` says after the query how to answer, ``paper`` says nothing more.

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

PROMPT_VERSION = "2"
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
        "Does the picture look like it was taken in the real world?",
        "taken in the real world",
    ),
    Question(
        "realism_q2",
        Dimension.REALISM,
        "Do the color, material texture, and lighting in the picture resemble those in the real world?",
        "color, texture, light",
    ),
    Question(
        "plausibility_q1",
        Dimension.PLAUSIBILITY,
        "Does the facial or limb structure of the characters/animals/plants in the generated image appear abnormal or "
        "out of the ordinary?",
        "wrong face or limbs",
    ),
    Question(
        "plausibility_q2",
        Dimension.PLAUSIBILITY,
        "Are there any elements in the image that appear inconsistent with reality or distorted in an unnatural way?",
        "unreal or distorted",
    ),
    Question(
        "plausibility_q3",
        Dimension.PLAUSIBILITY,
        "Does the material or texture of the objects in the image not match the real world?",
        "wrong material",
    ),
    Question(
        "plausibility_q4",
        Dimension.PLAUSIBILITY,
        "Does the text within the image contain errors or garbled characters?",
        "garbled text",
    ),
)
"""The texts are those of section 3.2 to the letter; they are asked of an entity's crop."""

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
    texts = [(part, text.strip()) for part in BODY_PARTS if (text := parts.get(part)) and text.strip()]
    return " ".join(f"{part.replace('_', ' ').capitalize()}: {text}" for part, text in texts)


class Style(StrEnum):
    """What stands around a query. Numbers of two styles are never ranked together."""

    BENCHMARK = "benchmark"
    """The tasks ``qreal_…``: the query, then how to answer."""
    PAPER = "paper"
    """The tasks ``qreal_paper_…``: the paper's bare query (section 4.1)."""


@dataclass(frozen=True)
class PromptFrame:
    """What stands before and after a query, as lmms-eval's ``pre_prompt`` and ``post_prompt`` name it.

    In frames of ImageQA ``{flaw}``, ``{description}``, ``{box}`` and ``{coordinates}`` stand for words that depend on
    the set and on the declared box space.
    """

    pre: str = ""
    post: str = ""


OBJECTQA_POST_PROMPT = "\nAnswer with one word, Yes or No."

IMAGEQA_POST_PROMPT = (
    "\nInclude only the entities that have an issue. An entity has an issue when it {flaw}.\n"
    "Answer with a JSON list and nothing else, one object per entity: "
    '{{box}, "label": "<what it is>", "description": "<{description}>"}.\n'
    "{coordinates} If there is no such entity, answer []."
)

_BARE = PromptFrame()
_OBJECTQA_FRAMES = {Style.BENCHMARK: PromptFrame(post=OBJECTQA_POST_PROMPT), Style.PAPER: _BARE}
_IMAGEQA_FRAMES = {Style.BENCHMARK: PromptFrame(post=IMAGEQA_POST_PROMPT), Style.PAPER: _BARE}

_EXPLAINED: dict[str, str] = {
    "realism": "realism (whether each entity looks different from the real world in its color, material texture or "
    "lighting)",
    "plausibility": "plausibility (whether each entity looks like unnatural or not match the real world)",
}
"""The middle of the query of section 4.1. The paper prints it for plausibility only; the bracket on realism is this
project's. Portraits are asked for their plausibility."""

_COORDINATES: dict[Space, str] = {
    Space.PIXELS: "absolute pixel coordinates of the image, which is {width} pixels wide and {height} pixels high",
    Space.RESIZED_PIXELS: "absolute pixel coordinates of the image as you see it",
    Space.NORM1000: "coordinates normalised to the range 0 to 1000, where [0, 0] is the top left corner and "
    "[1000, 1000] the bottom right corner of the image",
    Space.NORM1000_YX: "[y1, x1, y2, x2], that is top, left, bottom, right, in coordinates normalised to the range 0 "
    "to 1000, where [0, 0] is the top left corner and [1000, 1000] the bottom right corner of the image",
    Space.UNIT: "fractions of the image's width and height between 0 and 1, with three decimals",
}

FLAW: dict[str, str] = {
    "realism": "does not look like it was taken in the real world, or has color, material texture or lighting that do "
    "not resemble those in the real world",
    "plausibility": "has an abnormal facial or limb structure, is inconsistent with reality or distorted in an "
    "unnatural way, has a material or texture that does not match the real world, or has text with errors or garbled "
    "characters",
    "human_plausibility": "is a person and is not plausible: something is wrong with the head or face, the hands, "
    "the limbs, the torso, the feet, the clothing, or the interaction with the surroundings",
}
"""What a flawed entity of each of ``IMAGEQA_SETS`` is, as the end of a sentence that begins with "the entity"."""

DESCRIBE: dict[str, str] = {
    "realism": "what looks unreal and why",
    "plausibility": "what is implausible and why",
    "human_plausibility": "for every affected body part, what is wrong and why",
}
"""What the description of a flawed entity says."""


def frame_of(style: Style, name: str) -> PromptFrame:
    """What stands around the query of a question or an ImageQA set in that style."""
    return (_IMAGEQA_FRAMES if name in IMAGEQA_SETS else _OBJECTQA_FRAMES)[style]


def task_of(style: Style, name: str) -> str:
    """The task of lmms-eval that asks a question or an ImageQA set in that style.

    >>> task_of(Style.PAPER, "realism_q1"), task_of(Style.BENCHMARK, "realism")
    ('qreal_paper_objectqa_realism_q1', 'qreal_imageqa_realism')
    """
    return f"{GROUPS[style]}_{'imageqa' if name in IMAGEQA_SETS else 'objectqa'}_{name}"


GROUPS: dict[Style, str] = {Style.BENCHMARK: "qreal", Style.PAPER: "qreal_paper"}
"""The group of all tasks of a style; ``_objectqa`` and ``_imageqa`` behind it are its halves."""

LEAVES: dict[str, tuple[Style, str]] = {
    task_of(style, name): (style, name) for style in Style for name in (*QUESTION_NAMES, *IMAGEQA_SETS)
}
"""Leaf task of lmms-eval to its style and its question or set."""

TASK_NAMES: tuple[str, ...] = (
    *(f"{group}{half}" for group in GROUPS.values() for half in ("", "_objectqa", "_imageqa")),
    *LEAVES,
)
"""All that ``--tasks`` takes of ours: groups and leaves."""


def imageqa_query(name: str) -> str:
    """The paper's query of ImageQA (section 4.1) for one of ``IMAGEQA_SETS``."""
    explained = _EXPLAINED["plausibility" if name == "human_plausibility" else name]
    return (
        "Analyze this AI-generated image, provide all entities with their type labels, coordinates within the image, "
        f"and an explanation of {explained} for each object."
    )


def objectqa_prompt(name: str, frame: PromptFrame | None = None) -> str:
    """The text that goes with an entity's crop (ObjectQA, section 3.4): the question, and nothing of the entity.

    Args:
        name: one of ``QUESTION_NAMES``.
        frame: what stands around the question; by default that of the benchmark.

    >>> objectqa_prompt("realism_q1")
    'Does the picture look like it was taken in the real world?\\nAnswer with one word, Yes or No.'
    """
    frame = frame or _OBJECTQA_FRAMES[Style.BENCHMARK]
    return f"{frame.pre}{question(name).text}{frame.post}"


def imageqa_prompt(name: str, space: Space, width: int, height: int, frame: PromptFrame | None = None) -> str:
    """The text that goes with a whole image (ImageQA, section 3.4).

    Args:
        name: one of ``IMAGEQA_SETS``.
        space: the space in which the model is asked to write its boxes.
        width, height: of the stored image in pixels; only ``Space.PIXELS`` tells them to the model.
        frame: what stands around the query; by default that of the benchmark.
    """
    frame = frame or _IMAGEQA_FRAMES[Style.BENCHMARK]
    words = {
        "{flaw}": FLAW[name],
        "{description}": DESCRIBE[name],
        "{box}": box_field(space),
        "{coordinates}": box_sentence(space, width, height),
    }
    return f"{_filled(frame.pre, words)}{imageqa_query(name)}{_filled(frame.post, words)}"


def _filled(text: str, words: Mapping[str, str]) -> str:
    """Not ``str.format``: a frame of a user's own may hold any brace."""
    for place, word in words.items():
        text = text.replace(place, word)
    return text


def box_key(space: Space) -> str:
    """What the field of a box is called: families that write y first were trained to call it ``box_2d``."""
    return "box_2d" if space is Space.NORM1000_YX else "bbox_2d"


def box_field(space: Space) -> str:
    """The field of a box as the example in a prompt shows it, corners in the order of ``space``.

    >>> box_field(Space.NORM1000), box_field(Space.NORM1000_YX)
    ('"bbox_2d": [x1, y1, x2, y2]', '"box_2d": [y1, x1, y2, x2]')
    """
    corners = "y1, x1, y2, x2" if space is Space.NORM1000_YX else "x1, y1, x2, y2"
    return f'"{box_key(space)}": [{corners}]'


def box_sentence(space: Space, width: int, height: int) -> str:
    """How to write the box: the same words wherever a model is asked for boxes; arguments as there."""
    coordinates = _COORDINATES[space].format(width=width, height=height)
    return f"Give {box_key(space)} as {coordinates}, with x1 < x2 and y1 < y2."
