"""Body parts of a portrait: first verified part by part, then integrated into the description of plausibility.

The integrated description says what every part says that people left, and nothing of what they took away or changed:

- A drafted description that was made of the drafted parts stays while people change neither.
- Anything else is made anew: the parts as people left them, each under its name, and after them what people wrote or
  left in the description beside the parts. A language model may write it instead (``annotation.merging.combine``).
- A sentence beside the parts that repeats a text which people took out of a part goes with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from annotation.merging.fields import (
    EMPTIED,
    TAKEN_AWAY,
    UNCHANGED,
    MergedText,
    describes_something,
    end_sentence,
    join_sentences,
    normalize_sentence,
    same_text,
    split_sentences,
)
from annotation.merging.forms import DraftForm, Parts
from qreal_tasks.benchmark import BODY_PARTS, Dimension, is_flawed, parts_description

INTEGRATED_BY_RULE = "body parts integrated by rule"
INTEGRATED_BY_MODEL = "body parts integrated by the language model"


def part_texts(parts: Mapping[str, MergedText]) -> Parts:
    """Body part to what is wrong with it, or None."""
    return {part: parts[part].text if describes_something(parts[part].text) else None for part in BODY_PARTS}


def describes_any_part(parts: Parts) -> bool:
    """Whether anything is said of any body part."""
    return any(describes_something(text or "") for text in parts.values())


def integrate_parts(form: DraftForm, parts: Mapping[str, MergedText], written: MergedText) -> MergedText:
    """Integrate the body parts of a portrait into its description of plausibility; ``MergedText.inputs`` is what people
    wrote beside the parts.

    Args:
        form: as it was drafted, with parts.
        parts: as people left them.
        written: the description as people left it, not looking at the parts.
    """
    assert form.parts is not None
    drafted, final = form.descriptions[Dimension.PLAUSIBILITY], part_texts(parts)
    if not describes_any_part(form.parts) and not describes_any_part(final):
        return written
    as_drafted = all(same_text(final[part], form.parts[part]) for part in BODY_PARTS)
    untouched = written.rule == TAKEN_AWAY or same_text(written.text, drafted)
    if form.integrated and as_drafted and untouched:
        return MergedText(drafted, UNCHANGED, written.sources)
    beside = _find_beside(form, parts, written.text)
    text = integrate_by_rule(final, beside)
    return MergedText(text, INTEGRATED_BY_RULE if text else EMPTIED, written.sources, beside)


def integrate_by_rule(parts: Parts, beside: Sequence[str]) -> str:
    """Make one text of body parts and further sentences, by the rule of this module.

    >>> integrate_by_rule({"hands": "Six fingers", "feet": None}, ["The ear floats."])
    'Hands: Six fingers. The ear floats.'
    """
    of_parts = parts_description({part: end_sentence(text or "") for part, text in parts.items()})
    return join_sentences(piece for piece in (of_parts, *beside) if piece)


def _find_beside(form: DraftForm, parts: Mapping[str, MergedText], written: str) -> tuple[str, ...]:
    """The sentences of a description that no part says, and that repeat no text which people took out of a part."""
    assert form.parts is not None
    left = _normalize_all(part.text for part in parts.values())
    gone = _normalize_all((*form.parts.values(), *(text for part in parts.values() for text in part.sources.values())))
    gone = {old for old in gone if old and not any(_contains(old, new) for new in left)}
    # A draft that was made of the parts says nothing beside them, and "nothing is wrong" is no longer so.
    drafted_beside = is_flawed(Dimension.PLAUSIBILITY, form.answers) and not form.integrated
    known = left | (set() if drafted_beside else _normalize_all([form.descriptions[Dimension.PLAUSIBILITY]]))
    found = {
        normalize_sentence(one): one
        for one in split_sentences(written)
        if normalize_sentence(one) not in known and describes_something(one)
    }
    return tuple(
        one
        for sentence, one in found.items()
        if not any(_contains(old, sentence) or _contains(sentence, old) for old in gone)
    )


def _normalize_all(texts: Iterable[str | None]) -> set[str]:
    return {normalize_sentence(one) for text in texts for one in split_sentences(text or "")}


def _contains(old: str, text: str) -> bool:
    """Whether the words of ``old`` stand in ``text`` one after the other."""
    return re.search(rf"(?<!\w){re.escape(old)}(?!\w)", text) is not None
