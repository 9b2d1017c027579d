"""Text files as people save them, decoded."""

from __future__ import annotations

import codecs
import unicodedata
from typing import NamedTuple

WINDOWS_1252 = "read as Windows-1252"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FEW_CONTROLS = 0.25
"""Less of them, and a text with NUL in it is UTF-8 all the same: padding, or damage."""


class TableError(ValueError):
    """A file that is no table; the message says where in it, what was found and what was expected."""


class DecodedText(NamedTuple):
    """A decoded text, with notes on it."""

    text: str
    note: str = ""
    """Empty for most; several are joined by semicolons."""


def decode_text(raw: bytes) -> DecodedText:
    """Decode a file in UTF-8, UTF-16 or UTF-32; what is none of these is read as Windows-1252, with a note.

    A byte order mark decides. Without one, a text with NUL bytes is UTF-16 where they leave no other reading.

    Raises:
        TableError: no text in any of these.
    """
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), None) or _guess_utf_16(raw)
    for name in (encoding,) if encoding else ("utf-8", "cp1252"):
        try:
            return DecodedText(raw.decode(name), WINDOWS_1252 if name == "cp1252" else "")
        except UnicodeDecodeError as failed:
            error = failed
    expected = encoding.upper().removesuffix("-SIG") if encoding else "UTF-8 or Windows-1252"
    found = f"byte {error.start} is {raw[error.start]:#04x}"
    raise TableError(f"no text in {expected} ({found}); save it as UTF-8")


def _guess_utf_16(raw: bytes) -> str | None:
    """UTF-16 without a mark, told by NULs: the higher bytes of Latin letters, of blanks and of line breaks."""
    if b"\0" not in raw or _controls(raw, "utf-8") < _FEW_CONTROLS:
        return None
    nuls = {"utf-16-le": raw[1::2].count(0), "utf-16-be": raw[::2].count(0)}
    likely = max(nuls, key=lambda name: nuls[name])
    return likely if len(set(nuls.values())) > 1 and _controls(raw, likely) == 0 else None


def _controls(raw: bytes, encoding: str) -> float:
    """The share of characters that stand in no text; 1 of what cannot be decoded."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return 1.0
    return sum(not one.isspace() and unicodedata.category(one) in ("Cc", "Cn", "Co") for one in text) / len(text)
