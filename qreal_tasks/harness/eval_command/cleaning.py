"""Removal of the user's keys from what the harness prints and writes.

It shows all of its arguments in its log and stores them in its results, and with HF_TOKEN set the token is among them;
backends of others print and store what their servers say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from qreal_tasks.files.atomic import write_whole
from qreal_tasks.files.regular import read_bytes
from qreal_tasks.text.redaction import is_numeric, own_keys, redact_spelling, spellings

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*"')
_BYTES = {"encoding": "utf-8", "errors": "surrogateescape"}
"""How files and keys of any encoding are decoded: each byte comes back as it was."""


class KeyFilter:
    """Takes the keys out of bytes that come in pieces; a key may lie across two of them."""

    def __init__(self) -> None:
        self._keys = _spelled()
        self._spelled = [one.encode(**_BYTES) for one in self._keys]
        self._held = b""

    def __call__(self, piece: bytes) -> bytes:
        """What can be shown by now; an empty piece, which is the last one, brings the rest."""
        known = self._held + piece
        held = max((_begun(known, one) for one in self._spelled), default=0) if piece else 0
        end = len(known) - held
        for place in _places(known, self._spelled):
            if place.start() < end < place.end():  # its last letters may begin another key
                end = place.end()
        self._held = known[end:]
        return _without(known[:end].decode(**_BYTES), self._keys).encode(**_BYTES)


def clean_files(paths: Iterable[Path]) -> None:
    """Take the keys out of results and samples; a number of JSON stays one, since it is no text that a key is in."""
    spelled = _spelled()
    for path in paths:
        raw = read_bytes(path)
        if not any(one.encode(**_BYTES) in raw for one in spelled):
            continue
        content = raw.decode(**_BYTES)
        clean = _without(content, [one for one in spelled if not is_numeric(one)])
        if numbers := [one for one in spelled if is_numeric(one) and one in clean]:
            clean = _STRING.sub(lambda text: _without(text[0], numbers), clean)
        if clean != content:
            write_whole(path, clean.encode(**_BYTES))


def _spelled() -> list[str]:
    """The longest first: one key may begin as another."""
    return sorted((one for key in own_keys() for one in spellings(key)), key=len, reverse=True)


def _places(content: bytes, spelled: list[bytes]) -> Iterator[re.Match[bytes]]:
    return re.finditer(b"|".join(map(re.escape, spelled)), content) if spelled else iter(())


def _without(content: str, spelled: list[str]) -> str:
    for one in spelled:
        content = redact_spelling(content, one)
    return content


def _begun(content: bytes, key: bytes) -> int:
    """With how many bytes of the key the content ends."""
    return next((n for n in range(min(len(key) - 1, len(content)), 0, -1) if content.endswith(key[:n])), 0)
