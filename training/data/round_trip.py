"""Texts against what a tokenizer makes of them: characters that it does not know are lost, and nothing says so."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

_SHOWN = 12


class RoundTrip:
    """From texts to tokens and back.

    Texts are compared as the tokenizer itself writes them: Qwen's composes characters, so that ``e`` with U+0301 behind
    it comes back as ``é``, which is the same text.

    Args:
        tokenizer: of the model.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
        self._normal = normalizer.normalize_str if normalizer else str

    def decode(self, ids: Sequence[int]) -> str:
        """Decode tokens, special ones included."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def is_same(self, one: str, other: str) -> bool:
        """Whether two texts are one to the tokenizer, but for blanks around them."""
        return self._normalized(one) == self._normalized(other)

    def find_lost(self, text: str, ids: Sequence[int] | None = None) -> tuple[str, ...]:
        """Find the characters of a text that its tokens do not hold.

        Args:
            text: as it is in the data set.
            ids: its tokens where it stands; by default those of the text alone.
        """
        decoded = self.decode(self._ids(text) if ids is None else ids)
        if self.is_same(text, decoded):
            return ()
        wanted, found = self._normalized(text), self._normalized(decoded)
        alone = tuple(c for c in dict.fromkeys(wanted) if c.strip() and not self.is_same(c, self.decode(self._ids(c))))
        if alone:
            return alone
        at = next((at for at, pair in enumerate(zip(wanted, found, strict=False)) if pair[0] != pair[1]), len(found))
        return tuple(wanted[at : at + 1] or found[len(wanted) :][:1])  # lost, or put in, only beside others

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _normalized(self, text: str) -> str:
        return str(self._normal(text.strip())).strip()


def name_characters(characters: Iterable[str]) -> str:
    """List characters with their numbers and names, also those that cannot be seen.

    >>> name_characters("é\\u200b")
    'é (U+00E9 LATIN SMALL LETTER E WITH ACUTE), U+200B ZERO WIDTH SPACE'
    """
    listed = list(dict.fromkeys(characters))
    names = []
    for character in listed[:_SHOWN]:
        number = f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
        names.append(f"{character} ({number})" if character.isprintable() else number)
    more = len(listed) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
