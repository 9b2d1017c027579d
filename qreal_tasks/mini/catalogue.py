"""The catalogue of flaws: which there are, which question each answers, and how a person would put it.

A figure asks its plan for a flaw by name and draws it; the sentence comes from here. The two are kept in step
by a test that draws every figure with and without each of its flaws.
"""

from __future__ import annotations

from qreal_tasks.mini.flaws import EVERYTHING, GROWN, MATERIALS, P3, P4, R2, FlawKind, flaw
from qreal_tasks.mini.flaws_living import ANIMAL, FRUIT, PERSON, PLANT
from qreal_tasks.mini.flaws_things import CAR, CHAIR, MUG, SIGN

_LIGHT = (
    flaw(R2, "odd_hue", "person", "light", "{Its} skin is {colour}.", "The skin of the {label} is {colour}."),
    flaw(R2, "odd_hue", "animal", "light", "{Its} coat is {colour}.", "No {label} has {colour} fur like this."),
    flaw(
        R2,
        "odd_hue",
        "plant",
        "light",
        "{Its} leaves and stem are {colour}.",
        "The green parts are {colour}.",
    ),
    flaw(
        R2,
        "odd_hue",
        "fruit",
        "light",
        "The fruit is {colour}.",
        "{Its} peel is {colour}, unlike any {label}.",
    ),
    flaw(
        R2,
        "neon_light",
        EVERYTHING,
        "light",
        "{It} is lit in magenta from the left and in cyan from the right, unlike the rest of the scene.",
        "Magenta and cyan light falls on {it} although there is no such lamp.",
    ),
    flaw(
        R2,
        "blotches",
        EVERYTHING,
        "light",
        "Stains of lurid colour cover {its} surface.",
        "{Its} surface texture breaks up into lurid blotches.",
    ),
    flaw(
        R2,
        "grey",
        GROWN,
        "light",
        "{It} is grey as in a black-and-white photograph while the scene has colour.",
        "{It} has no colour at all in a coloured scene.",
    ),
    flaw(
        R2,
        "flat",
        EVERYTHING,
        "light",
        "{Its} colours are flat, without any light or shadow.",
        "There is no shading on {it}, every area is one even colour.",
    ),
)

_PHYSICS = (
    flaw(P3, "material", (*EVERYTHING[1:],), "surface", "{It} is made of {choice}.",
          "{Its} body consists of {choice}, which no {label} is made of.", choices=MATERIALS),
    flaw(P3, "floating", EVERYTHING, "ground", "{It} tumbles in mid-air, far above {its} shadow.",
          "{It} floats tilted above the ground without support.", part="environment_interaction",
         framing="full"),
    flaw(P3, "balloons", EVERYTHING, "ground", "Three toy balloons lift {it} off the ground.",
          "{It} hangs in the air from three toy balloons that could never carry {it}.",
          part="environment_interaction", framing="full"),
    flaw(P3, "egg", ("plant", "fruit", "mug", "sign"), "ground", "It balances on the tip of an egg.",
          "It stands upright on a single egg, which could not hold it.", framing="full"),
)  # fmt: skip

_TEXT = (
    flaw(P4, "garbled", ("person", "mug", "car", "sign"), "text",
          "The lettering reads '{text}', which is no word.",
         "The text is garbled: '{text}'.", part="clothing"),
)  # fmt: skip

CATALOGUE: tuple[FlawKind, ...] = (
    *_LIGHT, *PERSON, *ANIMAL, *PLANT, *FRUIT, *MUG, *CAR, *SIGN, *CHAIR, *_PHYSICS, *_TEXT,
)  # fmt: skip

TEXT_CARRIERS = _TEXT[0].figures


def kinds_for(figure: str, question: str, framing: str) -> tuple[FlawKind, ...]:
    """The flaws that a figure can show.

    Args:
        figure: what is drawn, one of ``EVERYTHING``.
        question: the question that they answer.
        framing: ``full`` or ``half``.
    """
    return tuple(
        kind
        for kind in CATALOGUE
        if figure in kind.figures and kind.question == question and kind.framing in ("any", framing)
    )
