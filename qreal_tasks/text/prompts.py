"""Normal form of prompts, by which equal ones are found."""

from __future__ import annotations

import unicodedata

from qreal_tasks.text.unicode_forms import normalize_unicode


def normalize_prompt(text: str) -> str:
    """The prompt without what a reader does not see: equal for texts that differ only in case, blanks, invisible
    characters (Unicode's category Cf: byte order marks, zero-width and direction marks) or in how accents are encoded.

    >>> normalize_prompt("\\ufeffA  Cafe\\u0301\\n") == normalize_prompt("a caf\\u00e9\\u200b")
    True
    """
    # Invisible characters first: one between a letter and its accent would keep them apart.
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    folded = normalize_unicode("NFD", visible).casefold()
    return " ".join(normalize_unicode("NFC", folded).split())
