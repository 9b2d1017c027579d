"""The rule that gives the six answers about a drawn entity from how it was drawn and what was planted in it.

It follows the texts of the questions:

- ``realism_q1``, taken in the real world: No for a cartoon, Yes for a render, whatever else is wrong with it.
- ``realism_q2``, colour, material texture and lighting: No for a planted flaw of colour or light, and for a material
  that is not the real one.
- ``plausibility_q1``, face or limbs of people, animals and plants: Yes for a flaw of their build.
- ``plausibility_q2``, inconsistent with reality or distorted: Yes for a flaw of build, and for every other flaw of
  shape, of parts, or of how the entity stands. What it is made of is asked by the third question alone, what is
  written on it by the fourth alone, its colour by ``realism_q2`` alone.
- ``plausibility_q3``, material or texture: Yes for a material that is not the real one.
- ``plausibility_q4``, text: Yes for garbled lettering; No where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qreal_tasks.benchmark import QUESTIONS, Answer
from qreal_tasks.mini.flaws import P1, P2, P3, P4, R1, R2

_DECIDES: Mapping[str, frozenset[str]] = {
    P1: frozenset({P1, P2}),
    P2: frozenset({P2}),
    P3: frozenset({P3, R2}),
    P4: frozenset({P4}),
    R2: frozenset({R2}),
}
"""The question that a flaw is planted for, to all whose answer then reports a defect."""


def derive_answers(planted: Iterable[str], *, rendered: bool) -> dict[str, str]:
    """The six answers, in the order of the questions.

    Args:
        planted: the questions that flaws were planted for (``FlawKind.question``).
        rendered: whether the entity looks photographed, not drawn.

    >>> [name for name, answer in derive_answers(["plausibility_q1"], rendered=True).items() if answer == "Yes"]
    ['realism_q1', 'realism_q2', 'plausibility_q1', 'plausibility_q2']
    """
    defects = {name for question in planted for name in _DECIDES[question]} | (set() if rendered else {R1})
    return {
        q.name: str(q.defect if q.name in defects else Answer.NO if q.defect == Answer.YES else Answer.YES)
        for q in QUESTIONS
    }
