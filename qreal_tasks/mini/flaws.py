"""What a flaw is, and the names that the catalogue is written with."""

from __future__ import annotations

from dataclasses import dataclass

R1, R2 = "realism_q1", "realism_q2"
P1, P2, P3, P4 = "plausibility_q1", "plausibility_q2", "plausibility_q3", "plausibility_q4"

LIVING = ("person", "animal", "plant")
"""What has a face or limbs that can be abnormal."""
THINGS = ("fruit", "mug", "car", "sign", "chair")
EVERYTHING = LIVING + THINGS
SIDES = ("left", "right")

TILES, STRIPES, BRICKS, CHEESE = "chequered tiles", "striped plastic", "brickwork", "cheese with holes"
METAL, BOARDS, WOOL, BLOCKS = "riveted metal", "wooden boards", "knitted wool", "toy blocks"


@dataclass(frozen=True)
class FlawKind:
    """One way in which an entity can be wrong.

    Attributes:
        question: the question that it is planted for; ``answers`` says which answers follow.
        region: what it changes; two flaws of one entity never share a region, or one would hide the other.
        say: sentences with ``{label}``, ``{it}``, ``{its}``, ``{choice}``, ``{colour}``, ``{text}``.
        look: the same for the realism description, materials only: there a material is a matter of looks.
        choices: of which the plan draws one for ``{choice}``: a side as the viewer sees it, a material.
        part: the body part of the portrait protocol, persons only.
        framing: ``full`` needs the whole figure in the picture, ``half`` a portrait cut at the waist.
    """

    name: str
    question: str
    figures: tuple[str, ...]
    region: str
    say: tuple[str, ...]
    choices: tuple[str, ...] = ("",)
    part: str = ""
    framing: str = "any"
    look: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flaw:
    """A flaw as planted in one entity."""

    kind: FlawKind
    choice: str = ""
    colour: str = ""


def flaw(
    question: str,
    name: str,
    figures: str | tuple[str, ...],
    region: str,
    *say: str,
    choices: tuple[str, ...] = ("",),
    part: str = "",
    framing: str = "any",
    look: tuple[str, ...] = (),
) -> FlawKind:
    """A row of the catalogue."""
    kinds = (figures,) if isinstance(figures, str) else figures
    return FlawKind(name, question, kinds, region, say, choices, part, framing, look)
