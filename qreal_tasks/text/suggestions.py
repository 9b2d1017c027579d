"""Suggestions for mistyped names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(typed: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that is not known.

    >>> "unknown name" + suggest("pretraind", ["pretrained"]), "unknown name" + suggest("x", ["pretrained"])
    ('unknown name; did you mean pretrained?', 'unknown name.')
    """
    found = difflib.get_close_matches(typed, list(known), n=1)
    return f"; did you mean {found[0]}?" if found else "."
