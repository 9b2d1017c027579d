"""The catalogue of flaws: which there are, which question each is planted for, and how a person would put it.

A figure asks its plan for a flaw by name and draws it; the sentence comes from here. The two are kept in step
by a test that draws every figure with and without each of its flaws.
"""

from __future__ import annotations

from qreal_tasks.mini.flaws import (
    BLOCKS,
    BOARDS,
    BRICKS,
    CHEESE,
    EVERYTHING,
    METAL,
    P2,
    P3,
    P4,
    R2,
    STRIPES,
    TILES,
    WOOL,
    FlawKind,
    flaw,
)
from qreal_tasks.mini.flaws_living import ANIMAL, PERSON, PLANT
from qreal_tasks.mini.flaws_things import CAR, CHAIR, FRUIT, MUG, SIGN

# On a whole entity of one material another hue could not be seen, so the two share a region.
_LIGHT = (
    flaw(R2, "odd_hue", "person", "light", "{Its} skin is {colour}.", "The skin of the {label} is {colour}."),
    flaw(R2, "odd_hue", "animal", "surface", "{Its} coat is {colour}.", "No {label} has {colour} fur like this."),
    flaw(R2, "odd_hue", "plant", "surface", "{Its} leaves and stem are {colour}.", "The green parts are {colour}."),
    flaw(R2, "odd_hue", "fruit", "surface", "The fruit is {colour}.", "{Its} peel is {colour}, unlike any {label}."),
    flaw(R2, "neon_light", EVERYTHING, "light",
         "{It} is lit in magenta from the left and in cyan from the right, unlike the rest of the scene.",
         "Magenta and cyan light falls on {it} although there is no such lamp."),
    flaw(R2, "grey", ("person", "plant", "fruit"), "light",
         "{It} is grey as in a black-and-white photograph while the scene has colour.",
         "{It} has no colour at all in a coloured scene."),
    flaw(R2, "flat", EVERYTHING, "light", "{Its} colours are flat, without any light or shadow.",
         "There is no shading on {it}, every area is one even colour."),
)  # fmt: skip

# Of each figure only what cannot be taken for paint, fur or cloth: a mug may be striped, a cat have spots.
_MADE_OF = {
    "animal": (TILES, BRICKS, METAL, BOARDS, BLOCKS),
    "plant": (TILES, STRIPES, BRICKS, CHEESE, METAL, WOOL, BLOCKS),
    "fruit": (TILES, STRIPES, BRICKS, METAL, BOARDS, WOOL, BLOCKS),
    "mug": (BRICKS, CHEESE, BLOCKS),
    "car": (BRICKS, CHEESE, BOARDS, BLOCKS),
    "sign": (BRICKS, CHEESE, BLOCKS),
    "chair": (BRICKS, CHEESE, BLOCKS),
}

_MATERIAL = tuple(
    flaw(P3, "material", figure, "surface", "{It} is made of {choice}.",
         "{Its} body consists of {choice}, which no {label} is made of.", choices=materials,
         look=("The {label} looks like {choice}.", "{Its} surface is that of {choice}, not that of a real {label}."))
    for figure, materials in _MADE_OF.items()
)  # fmt: skip

_UNSUPPORTED = (
    flaw(P2, "floating", EVERYTHING, "ground", "{It} tumbles in mid-air, far above {its} shadow.",
          "{It} floats tilted above the ground without support.", part="environment_interaction",
         framing="full"),
    flaw(P2, "balloons", EVERYTHING, "ground", "Three toy balloons lift {it} off the ground.",
          "{It} hangs in the air from three toy balloons that could never carry {it}.",
          part="environment_interaction", framing="full"),
    flaw(P2, "egg", ("plant", "fruit", "mug", "sign"), "ground", "It balances on the tip of an egg.",
          "It stands upright on a single egg, which could not hold it.", framing="full"),
)  # fmt: skip

_TEXT = (
    flaw(P4, "garbled", ("person", "mug", "car", "sign"), "text",
          "The lettering reads '{text}', which is no word.",
         "The text is garbled: '{text}'.", part="clothing"),
)  # fmt: skip

CATALOGUE: tuple[FlawKind, ...] = (
    *_LIGHT, *PERSON, *ANIMAL, *PLANT, *FRUIT, *MUG, *CAR, *SIGN, *CHAIR, *_MATERIAL, *_UNSUPPORTED, *_TEXT,
)  # fmt: skip

TEXT_CARRIERS = _TEXT[0].figures


def kinds_for(figure: str, question: str, framing: str) -> tuple[FlawKind, ...]:
    """The flaws that a figure can show.

    Args:
        figure: what is drawn, one of ``EVERYTHING``.
        question: the question that they are planted for.
        framing: ``full`` or ``half``.
    """
    return tuple(
        kind
        for kind in CATALOGUE
        if figure in kind.figures and kind.question == question and kind.framing in ("any", framing)
    )
