"""Escapes in strings of JSON, and JSON that was written as a string."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.S)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ESCAPED = re.compile(r"[^\[{]*[\[{](?:[\s\[{]|\\{1,8}[nrt])*\\{1,8}[\"']")
_MOST_ENCODINGS = 4


def decode_nested(text: str) -> str:
    """The text of JSON that was written as a string, with its quotes escaped, perhaps more than once.

    >>> decode_nested('"[{\\\\"label\\\\": \\\\"dog\\\\"}]"')
    '"[{"label": "dog"}]"'
    """
    for _ in range(_MOST_ENCODINGS):
        if not _ESCAPED.match(text):
            break
        text = unescape(text)
    return text


def unescape(body: str) -> str:
    """A string of JSON without its escapes; what is no escape of JSON is taken for the character itself."""
    return _ESCAPE.sub(_character, body) if "\\" in body else body


def _character(escape: re.Match[str]) -> str:
    high, low, code, char = escape.groups()
    if high:
        return chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00)
    return chr(int(code, 16)) if code else _ESCAPES.get(char, char)
