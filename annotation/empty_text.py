"""Texts in the place of a description that describe no flaw, as models and people write them."""

from __future__ import annotations

from qreal_tasks.answers import Words

_NOTHING = ("none", "nothing", "null", "n a")


def says_nothing(text: str) -> bool:
    """Whether a text has no letter or digit, or only says that there is nothing.

    >>> [says_nothing(text) for text in ("", "...", "None.", "N/A", "No", "No fingers.")]
    [True, True, True, True, True, False]
    """
    words = Words.split(text)
    is_no = len(words) == 1 and words.kind(0) == "No"
    return is_no or " ".join(words.words) in _NOTHING or not any(sign.isalnum() for sign in text)
