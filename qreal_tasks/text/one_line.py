"""A text that somebody else wrote, a model or a server, as terminals, tables, logs and records may show it."""

from __future__ import annotations

import sys
import unicodedata

UNSEEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
"""Unicode categories that change how other text is shown, or are no text: controls, overrides, half surrogates."""


def first_unseen(text: str) -> str | None:
    """The first character that is a control, changes how other text is shown, or is no text.

    >>> first_unseen("déjà vu"), first_unseen("a\\u202eb")
    (None, '\\u202e')
    """
    return next((character for character in text if unicodedata.category(character) in UNSEEN), None)


def one_line(text: str, most: int = sys.maxsize) -> str:
    """The text on one line of at most ``most`` characters, without control and invisible ones; cut, it ends in "…".

    >>> one_line("bad\\nrequest\\u202e"), one_line("a long story", 7)
    ('bad request', 'a long…')
    """
    shown = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(shown.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def printable(text: str) -> str:
    """The text for a terminal: control and invisible characters spelled out, but for line breaks; halves of surrogate
    pairs, and bytes of file names that are no UTF-8, as question marks.

    >>> printable("a\\x1b[2Jb\\u202ec")
    'a\\\\x1b[2Jb\\\\u202ec'
    """
    kept = text.encode("utf-8", "replace").decode()
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in UNSEEN and c != "\n" else c for c in kept)
