"""Normal forms of Unicode in linear time.

``unicodedata`` sorts the accents on one letter by exchanging neighbours: 100,000 accents on a letter take it half
a minute.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Literal

_MOST_ACCENTS = 30
"""On one letter, as in Unicode's stream-safe format (UAX 15); no language has more than a few."""
_SHORT = 500
"""Characters of a text that is quick in any case."""


def normalize_unicode(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """``unicodedata.normalize``, where a letter with more than ``_MOST_ACCENTS`` accents counts as several.

    >>> normalize_unicode("NFC", "cafe\\u0301") == "caf\\u00e9"
    True
    """
    if len(text) <= _SHORT or text.isascii():
        return unicodedata.normalize(form, text)
    return "".join(unicodedata.normalize(form, piece) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    start = accents = 0
    for at, character in enumerate(text):
        accents = accents + 1 if unicodedata.combining(character) else 0
        if accents > _MOST_ACCENTS:
            yield text[start:at]
            start, accents = at, 1
    yield text[start:]
