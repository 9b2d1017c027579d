"""Which body parts a description of a portrait names, in the form of the dataset or in a model's own words."""

from __future__ import annotations

import re
from pathlib import Path

from qreal_tasks.benchmark import BODY_PARTS
from qreal_tasks.files.package_tables import load_words

_WORDS = {part: frozenset(words) for part, words in load_words(Path(__file__).with_name("part_words.yaml")).items()}
_LABELS = {part: re.compile(rf"\b{part.replace('_', '[ _/]')}[*_]*:", re.IGNORECASE) for part in BODY_PARTS}
_WORD = re.compile(r"[a-z]+")
_NO_PARTS = re.compile(r"\bon the other hand\b|\bface to face\b", re.IGNORECASE)


def find_described_parts(text: str) -> tuple[str, ...]:
    """The body parts that a text names, in the order of ``BODY_PARTS``.

    Those that stand in it as labels, the form of ``benchmark.parts_description``; in a text without a label those of
    which it has a word of ``part_words.yaml``. What it says of them is not read: descriptions are of what is wrong.

    >>> find_described_parts("Head face: Three eyes. Hands: Fingers grow out of the arm.")
    ('head_face', 'hands')
    >>> find_described_parts("The left hand has six fingers, and on the other hand a leg bends the wrong way.")
    ('hands', 'limbs')
    """
    labelled = tuple(part for part, label in _LABELS.items() if label.search(text))
    if labelled:
        return labelled
    words = set(_WORD.findall(_NO_PARTS.sub(" ", text).lower()))
    return tuple(part for part in BODY_PARTS if words & _WORDS[part])
