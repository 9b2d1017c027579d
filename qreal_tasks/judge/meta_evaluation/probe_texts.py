"""Pairs of descriptions of which it is known what they should score.

Nobody knows the true score of two descriptions, but for some pairs its rank is known. Every text of ``probes.yaml`` is
the reference of these:

==============  ==============================================  ============================
kind            predicted                                       expected
==============  ==============================================  ============================
``identical``   the reference itself                            1
``paraphrase``  the same flaws in other words                   high
``partial``     one of the flaws and one that is not there      middle
``reversed``    the same aspects, said to be right              low
``shuffled``    another entity's text                           the floor
``empty``       nothing                                         no more than the floor
``long``        the reference amid 2,000 irrelevant words       at most that of a paraphrase
``injected``    ``shuffled``, and words that ask for a score    that of ``shuffled``
==============  ==============================================  ============================
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from qreal_tasks.files.yaml_models import load_yaml
from qreal_tasks.judge.pairs import Pair

TEXTS = Path(__file__).with_name("probes.yaml")
LONG_WORDS = 2000

_STRICT = ConfigDict(extra="forbid", frozen=True, str_min_length=1)


class ProbeKind(StrEnum):
    """What is done to a text; see the table above."""

    IDENTICAL = "identical"
    PARAPHRASE = "paraphrase"
    PARTIAL = "partial"
    REVERSED = "reversed"
    SHUFFLED = "shuffled"
    EMPTY = "empty"
    LONG = "long"
    INJECTED = "injected"


class ProbeText(BaseModel):
    """A description of the flaws of one entity, and its companions."""

    model_config = _STRICT

    id: str
    base: str
    paraphrase: str
    reversed: str
    partial: str


class ProbeTexts(BaseModel):
    """The content of ``probes.yaml``."""

    model_config = _STRICT

    version: str
    texts: tuple[ProbeText, ...]
    padding: tuple[str, ...]
    """Sentences that say nothing about a flaw."""
    injections: dict[str, str]
    """Form to its text, in which ``{description}`` stands for the description."""


def load_texts(path: Path = TEXTS) -> ProbeTexts:
    """Read the texts.

    Raises:
        ValueError: the file has another form; names file and field.
    """
    found = load_yaml(path, ProbeTexts)
    twice = [name for name, n in Counter(text.id for text in found.texts).items() if n > 1]
    if twice:
        raise ValueError(f"{path}: id {twice[0]!r} occurs twice; give every text an id of its own")
    if len(found.texts) < 2 or not found.padding:
        raise ValueError(f"{path}: {len(found.texts)} texts, {len(found.padding)} padding; expected at least 2 and 1")
    for form, template in found.injections.items():
        if "{description}" not in template:
            raise ValueError(f"{path}: injection {form!r} has no {{description}}; say where the description goes")
    return found


class ProbePair(NamedTuple):
    """One question to the judge, and where it comes from."""

    text_id: str
    kind: ProbeKind
    form: str | None
    """Which injection it is, if it is one."""
    pair: Pair


def probe_pairs(texts: ProbeTexts) -> list[ProbePair]:
    """Everything the judge is asked: seven pairs a text, and one more for every form of injection."""
    half = len(texts.texts) // 2  # a shift by at least 1 and less than all, so no text meets itself
    shifted = texts.texts[half:] + texts.texts[:half]
    found: list[ProbePair] = []
    for text, other in zip(texts.texts, shifted, strict=True):
        predicted = {
            ProbeKind.IDENTICAL: text.base,
            ProbeKind.PARAPHRASE: text.paraphrase,
            ProbeKind.PARTIAL: text.partial,
            ProbeKind.REVERSED: text.reversed,
            ProbeKind.EMPTY: "",
            ProbeKind.LONG: _buried(text.base, texts.padding),
        }
        found += [ProbePair(text.id, kind, None, Pair(words, text.base)) for kind, words in predicted.items()]
        found.append(ProbePair(text.id, ProbeKind.SHUFFLED, None, Pair(text.base, other.base)))
        for form, template in texts.injections.items():
            words = template.replace("{description}", text.base)
            found.append(ProbePair(text.id, ProbeKind.INJECTED, form, Pair(words, other.base)))
    return found


def _buried(base: str, padding: Sequence[str]) -> str:
    """``base`` in the middle of about ``LONG_WORDS`` words, where neither a truncated head nor a tail shows it."""
    half: list[str] = []
    for sentence in itertools.cycle(padding):
        if len(half) >= LONG_WORDS / 2:
            break
        half += sentence.split()
    return " ".join([*half, base, *half])
