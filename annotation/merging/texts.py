"""How several people's texts become one.

Only people whose own verdict is the majority's write: a text that explains a flaw nobody else sees explains nothing.
All left the draft: the draft. One edit, however many made it: that edit. Several edits are combined, sentence by
sentence: a sentence of the draft stays when every edit kept it, and every new sentence stays. They begin with the edit
whose author's answers agree most often with the majority over the questions of the dimension, then the longest, then by
the author's name. A language model may combine the edits instead (``annotation.merging.combine``). What everybody
wrote is kept as a source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from annotation.saying_nothing import says_nothing

UNCHANGED = "unchanged draft"
ONE_EDIT = "one person's edit"
COMBINED_BY_RULE = "combined by rule"
COMBINED_BY_MODEL = "combined by the language model"
EMPTIED = "left empty by the majority"
TAKEN_AWAY = "draft of a flaw that people do not see"
ADJUDICATED = "adjudicated"

_END_OF_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*|\n+")
_STOPS = ".!?…。！？"


@dataclass(frozen=True)
class MergedText:
    """A text and where it comes from."""

    text: str
    rule: str
    """One of this module's, or of ``annotation.merging.parts``."""
    sources: Mapping[str, str]
    """Annotator to what they left there."""
    inputs: tuple[str, ...] = ()
    """What a language model may combine in the place of the rule."""


def merge_texts(drafted: str, texts: Mapping[str, str], agreement: Mapping[str, int], needed: bool) -> MergedText:
    """The rules of this module.

    Args:
        drafted: what was shown.
        texts: annotator to what they left there.
        agreement: annotator to how many answers agree with the majority's.
        needed: something must be said; else a drafted text that more than half have emptied is empty.

    >>> chosen_text("Odd.", {"anna": "Odd. ", "ben": "Six fingers."}, {"anna": 4, "ben": 4}, needed=True).text
    'Six fingers.'
    """
    edits = {
        who: text.strip()
        for who, text in texts.items()
        if collapse_blanks(text) != collapse_blanks(drafted) and describes_something(text)
    }
    kept = dict(texts)
    silent = sum(not describes_something(text) for text in texts.values())
    emptied = describes_something(drafted) and not needed and 2 * silent > len(texts)
    if emptied or (silent == len(texts) and describes_something(drafted)):
        return MergedText("", EMPTIED, kept)
    if silent == len(texts):
        return MergedText("" if needed else drafted, UNCHANGED, kept)
    if not edits:
        return MergedText(drafted, UNCHANGED, kept)
    ordered = sorted(edits, key=lambda who: (-agreement[who], -len(edits[who]), who))
    if len({collapse_blanks(text) for text in edits.values()}) == 1:
        return MergedText(edits[min(edits)], ONE_EDIT, kept)
    inputs = tuple({collapse_blanks(edits[who]): edits[who] for who in ordered}.values())
    return MergedText(combine_by_rule(drafted, inputs), COMBINED_BY_RULE, kept, inputs)


def combine_by_rule(drafted: str, edits: Sequence[str]) -> str:
    """Several edits of a draft as one text, by the rule of this module.

    >>> combined("Six fingers. Flat.", ["Seven fingers. Flat.", "Six fingers. Flat. One ear."])
    'Seven fingers. Flat. One ear.'
    """
    draft = {normalize_sentence(one) for one in split_sentences(drafted)}
    left = draft.intersection(*({normalize_sentence(one) for one in split_sentences(edit)} for edit in edits))
    found: dict[str, str] = {}
    for one in (sentence for edit in edits for sentence in split_sentences(edit)):
        if normalize_sentence(one) in left or normalize_sentence(one) not in draft:
            found.setdefault(normalize_sentence(one), one)
    return join_sentences(found.values()) or edits[0]


def split_sentences(text: str) -> list[str]:
    """The text in pieces that are compared with each other.

    >>> sentences("Six fingers. The ear floats")
    ['Six fingers.', 'The ear floats']
    """
    return [piece.strip() for piece in _END_OF_SENTENCE.split(text) if piece.strip()]


def normalize_sentence(sentence: str) -> str:
    """Equal for sentences of the same words.

    >>> spoken("Six  Fingers!") == spoken("six fingers")
    True
    """
    return collapse_blanks(sentence).casefold().rstrip(_STOPS + " ")


def join_sentences(pieces: Iterable[str]) -> str:
    """Sentences as one text; each but the last ends with a full stop where it has no end of its own.

    >>> joined(["Six fingers", "The ear floats"])
    'Six fingers. The ear floats'
    """
    said = list(pieces)
    return " ".join([*map(end_sentence, said[:-1]), *said[-1:]])


def end_sentence(text: str) -> str:
    """With a full stop where the text ends without any sign."""
    end = text.rstrip()
    return f"{end}." if end and end[-1].isalnum() else end


def collapse_blanks(text: str) -> str:
    """With single blanks: an editor's blank or line break at the end is no edit."""
    return " ".join(text.split())


def normalize_label(label: str) -> str:
    """Equal for labels that say the same."""
    return collapse_blanks(label).casefold()


def describes_something(text: str) -> bool:
    """Whether a text describes anything: "none", "N/A" or "-" left in a field is no description."""
    return not says_nothing(text)
