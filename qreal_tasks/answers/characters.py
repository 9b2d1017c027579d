"""Full-width characters as ASCII, position by position, and whether there is anything to see in a text."""

from __future__ import annotations

import re

_VISIBLE = re.compile(r"[^\s\x00\u200b\u200c\u200d\u2060\ufeff]")

# One character for one, so that a position in the ASCII form is a position in the original.
_ASCII = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    ord(wide): ascii_ for wide, ascii_ in zip("\u3000\u00a0，、。：；【】〔〕〈〉−", "  ,,.:;[][]<>-", strict=True)
}
# Full-width quotation marks stay: a reader of strings must see which mark closes which.
_ASCII.pop(ord("＂"))
_ASCII.pop(ord("＇"))


def to_halfwidth(text: str) -> str:
    """The text with full-width letters, digits and punctuation as ASCII; same length, same positions.

    >>> to_halfwidth("【１２，３０】：Ｙｅｓ。")
    '[12,30]:Yes.'
    """
    return text.translate(_ASCII)


def is_visible(text: str) -> bool:
    """Whether there is anything to see in a text."""
    return _VISIBLE.search(text) is not None
