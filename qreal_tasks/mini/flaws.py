"""The catalogue of flaws: which there are, which question each is planted for, and how a person would put it.

A figure asks its plan for a flaw by name and draws it; the sentence comes from ``flaws.yaml``. The two are kept in step
by a test that draws every figure with and without each of its flaws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qreal_tasks.files.package_tables import load_table

R1, R2 = "realism_q1", "realism_q2"
P1, P2, P3, P4 = "plausibility_q1", "plausibility_q2", "plausibility_q3", "plausibility_q4"

LIVING = ("person", "animal", "plant")
"""What has a face or limbs that can be abnormal."""
THINGS = ("fruit", "mug", "car", "sign", "chair")
EVERYTHING = LIVING + THINGS


@dataclass(frozen=True)
class FlawKind:
    """One way in which an entity can be wrong.

    Attributes:
        question: the question that it is planted for; ``answers`` says which answers follow.
        figures: that can show it.
        region: what it changes; two flaws of one entity never share a region, or one would hide the other.
        say: sentences for the descriptions.
        choices: of which the plan draws one for ``{choice}``: a side as the viewer sees it, a material.
        part: the body part of the portrait protocol, persons only.
        framing: ``full`` needs the whole figure in the picture, ``half`` a portrait cut at the waist.
        look: sentences for the realism description, materials only: there a material is a matter of looks.
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


def _kinds_of(row: Mapping[str, Any]) -> Iterator[FlawKind]:
    """The kinds in a row of the table: where the choices depend on the figure, one for each figure."""
    rows, choices = [dict(row)], row.get("choices")
    if isinstance(choices, dict):
        rows = [{**row, "figures": [figure], "choices": own} for figure, own in choices.items()]
    for one in rows:
        yield FlawKind(**{key: _as_tuple(value) for key, value in one.items()})


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


CATALOGUE = tuple(kind for row in load_table(Path(__file__).with_suffix(".yaml")) for kind in _kinds_of(row))


def list_kinds(figure: str, question: str, framing: str) -> list[FlawKind]:
    """The flaws that a figure can show.

    Args:
        figure: what is drawn, one of ``EVERYTHING``.
        question: the question that they are planted for.
        framing: ``full`` or ``half``.
    """
    return [
        kind
        for kind in CATALOGUE
        if figure in kind.figures and kind.question == question and kind.framing in ("any", framing)
    ]
