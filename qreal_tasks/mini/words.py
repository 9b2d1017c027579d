"""What a person would write about a drawn entity: every sentence follows from what was planted."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from qreal_tasks.benchmark import BODY_PARTS, QUESTIONS, Dimension, is_flawed
from qreal_tasks.mini.answers import answers_of
from qreal_tasks.mini.flaws import Flaw
from qreal_tasks.mini.plan import EntityPlan

_PRONOUNS = {
    "man": ("he", "him", "his"),
    "boy": ("he", "him", "his"),
    "woman": ("she", "her", "her"),
    "girl": ("she", "her", "her"),
}

_REAL = (
    "No issue: the {label} has depth, grain and natural colours.",
    "No issue: light, colour and surface of the {label} are natural.",
    "No issue: the {label} looks solid and is lit like the rest of the scene.",
)
_DRAWN = (
    "The {label} is drawn as a cartoon with dark outlines.",
    "Thick dark contours and a few even tones make the {label} look like a comic drawing.",
    "The {label} looks like a drawing, every part has a black outline.",
)
_SOLID = (
    "The {label} has depth and grain like a photograph, but one thing gives it away.",
    "Light and shadow give the {label} a solid shape, yet a real one looks otherwise.",
)
_PLAUSIBLE = (
    "No issue: all parts of the {label} are there and in proportion.",
    "No issue: nothing about the {label} is missing, deformed or impossible.",
    "No issue: the {label} is complete, whole and as expected.",
)

_PART_FINE: Mapping[str, Sequence[str]] = {
    "head_face": (
        "No issue: two eyes, a nose and a mouth are where they belong.",
        "No issue: head and face are complete and of the right size.",
    ),
    "hands": (
        "No issue: every hand in the picture has five fingers.",
        "No issue: palms and fingers have the right size and number.",
    ),
    "limbs": (
        "No issue: the limbs bend where they should.",
        "No issue: number and length of the limbs are right.",
    ),
    "torso": ("No issue: neck and torso are in proportion.", "No issue: the torso has a normal shape."),
    "feet": (
        "No issue: every foot in the picture wears a shoe.",
        "No issue: nothing is wrong with the feet.",
    ),
    "clothing": ("No issue: the clothes fit and are whole.", "No issue: the clothing is plain and complete."),
    "environment_interaction": (
        "No issue: the {label} stands on the ground above a shadow.",
        "No issue: both {label} and ground look right where they meet.",
    ),
}
_PART_FINE_HALF: Mapping[str, Sequence[str]] = {
    "limbs": (
        "No issue: the arms bend where they should.",
        "No issue: number and length of the arms are right.",
    ),
    "feet": ("No issue: the feet are outside the picture.",),
    "environment_interaction": ("No issue: the {label} holds and touches nothing.",),
}


def flaw_sentence(flaw: Flaw, entity: EntityPlan, dimension: Dimension) -> str:
    """The flaw in words, for one of the two descriptions; the same each time it is asked for."""
    he, him, his = _PRONOUNS.get(entity.label, ("it", "it", "its"))
    words = {
        "label": entity.label,
        "It": he.capitalize(),
        "it": him,
        "Its": his.capitalize(),
        "its": his,
        "choice": flaw.choice,
        "colour": flaw.colour,
        "text": entity.text,
    }
    is_look = dimension is Dimension.REALISM and flaw.kind.look
    return _pick(flaw.kind.look if is_look else flaw.kind.say, entity, flaw.kind.name).format(**words)


def describe(entity: EntityPlan, dimension: Dimension) -> str:
    """The entity's description in one dimension, beginning with ``No issue`` when there is none."""
    realism = dimension is Dimension.REALISM
    shown = [flaw for flaw in entity.flaws if is_flawed(dimension, answers_of([flaw.kind.question], rendered=True))]
    found = [flaw_sentence(flaw, entity, dimension) for flaw in shown]
    if realism and not entity.rendered:
        found.insert(0, _pick(_DRAWN, entity, "drawn").format(label=entity.label))
    elif realism and found:
        found.insert(0, _pick(_SOLID, entity, "solid").format(label=entity.label))
    fine = _REAL if realism else _PLAUSIBLE
    return " ".join(found) or _pick(fine, entity, dimension.value).format(label=entity.label)


def describe_parts(entity: EntityPlan) -> dict[str, str]:
    """The seven body part descriptions of a portrait; they say what the plausibility description says."""
    texts = {}
    for part in BODY_PARTS:
        shown = [flaw for flaw in entity.flaws if flaw.kind.part == part]
        found = [flaw_sentence(flaw, entity, Dimension.PLAUSIBILITY) for flaw in shown]
        fine = _PART_FINE[part] if entity.framing != "half" else _PART_FINE_HALF.get(part, _PART_FINE[part])
        texts[part] = " ".join(found) or _pick(fine, entity, part).format(label=entity.label)
    return texts


def quality(entity: EntityPlan) -> float:
    """A made-up quality score between 0 and 1: lower with every defect, plus noise."""
    defects = sum(entity.answers[q.name] == q.defect for q in QUESTIONS)
    noise = random.Random(f"{entity.seed}/quality").gauss(0, 0.05)
    return round(min(max(0.92 - 0.13 * defects + noise, 0.0), 1.0), 3)


def _pick(options: Sequence[str], entity: EntityPlan, topic: str) -> str:
    return random.Random(f"{entity.seed}/words/{topic}").choice(options)
