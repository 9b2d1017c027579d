"""Texts of a detector, made of names, and which of their tokens belong to which name.

The detectors read one text, "red car. dog.", and score every token for every box. The labels that the stock
post-processing makes of that mix the words of several names. Here every name is scored by its own tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qreal_tasks.models.errors import LocalModelError


@dataclass(frozen=True)
class PhraseSpan:
    """The tokens of one name in a text."""

    places: tuple[int, ...]
    known: bool
    """At least one of them is a word of the detector's vocabulary."""


def clean_name(name: str) -> str:
    """A name in lower case and on one line. Dots and question marks go: detectors read them as the end of a name.

    >>> clean_name(" St. Bernard\\n dog?")
    'st bernard dog'
    """
    return " ".join(re.sub(r"[.?。？]", " ", name).split()).casefold()


def split_phrases(phrases: Sequence[str], tokenizer: Any, most_phrases: int, most_tokens: int) -> list[list[int]]:
    """Split ``phrases``, by their places, into texts that the detector takes whole: it drops what is beyond its limit.

    A phrase longer than a whole text is left out.
    """
    found: list[list[int]] = []
    room = 0
    for place, phrase in enumerate(phrases):
        tokens = len(tokenizer.encode(phrase, add_special_tokens=False)) + 1  # and its dot
        if tokens + 2 > most_tokens:  # begin and end of the text
            continue
        if not found or len(found[-1]) == most_phrases or tokens > room:
            found.append([])
            room = most_tokens - 2
        found[-1].append(place)
        room -= tokens
    return found


def find_spans(token_ids: Sequence[int], n_phrases: int, tokenizer: Any) -> list[PhraseSpan]:
    """Find the tokens that belong to each phrase: those before its dot.

    Args:
        token_ids: of a text that the processor made of ``n_phrases`` names without dots; padding may follow.

    Raises:
        LocalModelError: the text has another number of dots.
    """
    dot = tokenizer.convert_tokens_to_ids(".")
    ends = [place for place, token in enumerate(token_ids) if token == dot]
    if len(ends) != n_phrases:
        raise LocalModelError(f"the text of {n_phrases} names has {len(ends)} dots, expected one a name")
    begins = [1, *(end + 1 for end in ends[:-1])]
    found = []
    for begin, end in zip(begins, ends, strict=True):
        places = tuple(range(begin, end))
        found.append(PhraseSpan(places, any(token_ids[place] != tokenizer.unk_token_id for place in places)))
    return found
