"""Which of several people's texts is taken.

Only people whose own verdict is the majority's write: a text that explains a flaw nobody else sees explains nothing.
All left the draft: the draft. One edit, however many made it: that edit. Several: the one whose author's answers agree
most often with the majority over the questions of the dimension, then the longest, then by the author's name. What
everybody wrote is kept as a source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNCHANGED = "unchanged draft"
ONE_EDIT = "one edit"
SEVERAL_EDITS = "several edits"
EMPTIED = "emptied"
TAKEN_AWAY = "draft of a flaw that people do not see"


@dataclass(frozen=True)
class Chosen:
    """A text and where it comes from."""

    text: str
    rule: str
    """One of this module's, or a name of its own."""
    sources: Mapping[str, str]
    """Annotator to what they left there."""


def chosen_text(drafted: str, texts: Mapping[str, str], agreement: Mapping[str, int], needed: bool) -> Chosen:
    """The rules of this module.

    Args:
        drafted: what was shown.
        texts: annotator to what they left there.
        agreement: annotator to how many answers agree with the majority's.
        needed: something must be said; else a text that more than half have emptied is empty.

    >>> chosen_text("Odd.", {"anna": "Odd. ", "ben": "Six fingers."}, {"anna": 4, "ben": 4}, needed=True).text
    'Six fingers.'
    """
    edits = {who: text.strip() for who, text in texts.items() if plain(text) != plain(drafted) and said_anything(text)}
    kept = dict(texts)
    silent = sum(not said_anything(text) for text in texts.values())
    if silent == len(texts) or (not needed and 2 * silent > len(texts)):
        return Chosen("", EMPTIED if said_anything(drafted) else UNCHANGED, kept)
    if not edits:
        return Chosen(drafted, UNCHANGED, kept)
    if len({plain(text) for text in edits.values()}) == 1:
        who = min(edits)
        return Chosen(edits[who], ONE_EDIT, kept)
    best = min(edits, key=lambda who: (-agreement[who], -len(edits[who]), who))
    return Chosen(edits[best], SEVERAL_EDITS, kept)


def plain(text: str) -> str:
    """With single blanks: an editor's blank or line break at the end is no edit."""
    return " ".join(text.split())


def plain_label(label: str) -> str:
    """Equal for labels that say the same."""
    return plain(label).casefold()


def said_anything(text: str) -> bool:
    return bool(text.strip())
