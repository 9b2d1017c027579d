"""What a flaw is, and the names that the catalogue is written with."""

from __future__ import annotations

from dataclasses import dataclass

R2, P1, P2, P3, P4 = "realism_q2", "plausibility_q1", "plausibility_q2", "plausibility_q3", "plausibility_q4"

MADE = ("mug", "car", "sign", "chair")
GROWN = ("person", "animal", "plant", "fruit")
EVERYTHING = GROWN + MADE
MATERIALS = ("checkerboard tiles", "diagonal stripes", "brickwork")
SIDES = ("left", "right")


@dataclass(frozen=True)
class FlawKind:
    """One way in which an entity can be wrong.

    Attributes:
        region: what it changes; two flaws of one entity never share a region, or one would hide the other.
        say: sentences with ``{label}``, ``{it}``, ``{its}``, ``{choice}``, ``{colour}``, ``{text}``.
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
) -> FlawKind:
    """A row of the catalogue."""
    kinds = (figures,) if isinstance(figures, str) else figures
    return FlawKind(name, question, kinds, region, say, choices, part, framing)
