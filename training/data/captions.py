"""Labels and descriptions without the tokens that mean something to a model.

A caption that holds ``<image>`` or ``<|im_end|>`` as text would be one picture too many, or the end of a turn in the
middle of an answer, and most tokenizers say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NAMELESS = "object"
"""Stands for a label of which nothing is left."""


class Cleaner:
    """Takes a tokenizer's special tokens out of rows, and counts how many texts held any.

    Args:
        tokenizer: of the model.
    """

    def __init__(self, tokenizer: Any) -> None:
        special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        special |= set(tokenizer.all_special_tokens)
        longest_first = sorted(special, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first))) if special else None
        self.changed = 0

    def clean(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Clean labels and descriptions of a row; everything else stays as it is."""
        return {key: self._value(key, value) for key, value in row.items()}

    def _value(self, key: str, value: Any) -> Any:
        if key == "entities":
            return [self.clean(entity) for entity in value]
        if key == "parts" and value is not None:
            return {part: self._text(text) for part, text in value.items()}
        if key == "label":
            return self._text(value) or NAMELESS
        return self._text(value) if key.endswith("_description") else value

    def _text(self, text: str | None) -> str | None:
        if not text or self._special is None or not self._special.search(text):
            return text
        self.changed += 1
        while self._special.search(text):  # what is left when one is taken out may be another
            text = " ".join(self._special.sub(" ", text).split())
        return text
