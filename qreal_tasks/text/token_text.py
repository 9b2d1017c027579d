"""The text of a token, however a tokenizer or a server writes it.

>>> decode_marks("ĠYes"), decode_marks("▁Yes"), decode_marks("<0x0A>"), normalise_token("Ċyes ")
(' Yes', ' Yes', '\\n', 'yes')
"""

from __future__ import annotations

import re

BLANK_MARKS = ("Ġ", "▁")
"""Stand for a space before a word in the two ways that vocabularies write it."""

_MARKS = str.maketrans({**dict.fromkeys(BLANK_MARKS, " "), "Ċ": "\n", "ĉ": "\t", "č": "\r"})
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def decode_marks(token: str) -> str:
    """The token with its marks of blanks, and bytes that are written out, as the characters they stand for."""
    if token.isascii() and "<0x" not in token:  # nearly all are, and twenty are read with every token
        return token
    return _BYTE.sub(lambda found: chr(int(found[1], 16)), token).translate(_MARKS)


def normalise_token(token: str) -> str:
    """What is compared with a choice: blanks around a token and its case do not count."""
    return decode_marks(token).strip().casefold()


def list_cases(choice: str) -> list[str]:
    """The choice as it is, in lower case, in upper case and capitalised.

    >>> list_cases("Yes")
    ['Yes', 'yes', 'YES']
    """
    return list(dict.fromkeys([choice, choice.lower(), choice.upper(), choice.capitalize()]))
