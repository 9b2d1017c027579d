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
EMPTIED = "emptied by everybody"


@dataclass(frozen=True)
class Chosen:
    """A text and where it comes from."""

    text: str
    rule: str
    """One of this module's, or a name of its own."""
    sources: Mapping[str, str]
    """Annotator to what they left there."""
    chosen_from: str | None = None
    """Whose text it is, of several edits."""


def chosen_text(drafted: str, texts: Mapping[str, str], agreement: Mapping[str, int], needed: bool) -> Chosen:
    """The rules of this module.

    Args:
        drafted: what was shown.
        texts: annotator to what they left there.
        agreement: annotator to how many answers agree with the majority's.
        needed: something must be said, so an emptied field is no text.

    >>> chosen_text("Odd.", {"anna": "Odd. ", "ben": "Six fingers."}, {"anna": 4, "ben": 4}, needed=True).text
    'Six fingers.'
    """
    edits = {
        who: text.strip()
        for who, text in texts.items()
        if plain(text) != plain(drafted) and (said_anything(text) or not needed)
    }
    kept = dict(texts)
    if needed and not any(map(said_anything, texts.values())):
        return Chosen("", EMPTIED, kept)
    if not edits:
        return Chosen(drafted, UNCHANGED, kept)
    if len({plain(text) for text in edits.values()}) == 1:
        who = min(edits)
        return Chosen(edits[who], ONE_EDIT, kept, who)
    best = min(edits, key=lambda who: (-agreement[who], -len(edits[who]), who))
    return Chosen(edits[best], SEVERAL_EDITS, kept, best)


def plain(text: str) -> str:
    """With single blanks: an editor's blank or line break at the end is no edit."""
    return " ".join(text.split())


def said_anything(text: str) -> bool:
    return bool(text.strip())
