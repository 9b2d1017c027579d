"""What people call the six questions and the three sets.

>>> find_name("r1"), find_name("Realism Q1"), find_name("qreal_paper_imageqa_realism")
((None, 'realism_q1'), (None, 'realism_q1'), (<Style.PAPER: 'paper'>, 'realism'))
>>> find_name("quality") is None
True
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from qreal_tasks.benchmark import IMAGEQA_SETS, LEAVES, QUESTIONS, Style, frame_of, objectqa_prompt

Named = tuple[Style | None, str]
"""The style, where it is said, and the question or the set."""


def fold(text: str) -> str:
    """A name without what people write differently: case, blanks and everything that is no letter or digit.

    >>> fold("P(Yes)"), fold(" entity_id ")
    ('pyes', 'entityid')
    """
    return re.sub(r"[\W_]+", "", text.casefold())


def find_name(text: str) -> Named | None:
    """The question or set that a text names: by its name, its task, its short form (``r1`` … ``p4``), or its words."""
    return _known().get(fold(text))


@functools.cache
def _known() -> Mapping[str, Named]:
    found: dict[str, Named] = {}
    for question in QUESTIONS:
        number, dimension = question.name[-1], str(question.dimension)
        for spelled in (question.name, f"{dimension[0]}{number}", f"{dimension[0]}q{number}", f"{dimension}{number}"):
            found[fold(spelled)] = (None, question.name)
        asked = objectqa_prompt(question.name, frame_of(Style.BENCHMARK, question.name))
        found[fold(asked)] = (Style.BENCHMARK, question.name)
        found[fold(question.text)] = (None, question.name)  # the paper's whole prompt, or the question in any other
    found |= {fold(name): (None, name) for name in IMAGEQA_SETS} | {"human": (None, "human_plausibility")}
    return found | {fold(task): (style, name) for task, (style, name) in LEAVES.items()}
