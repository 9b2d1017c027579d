"""The one pass over a text that finds its JSON in whatever state (see ``loose``)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from qreal_tasks.answers.entities.fields import FIELD_OF_KEY
from qreal_tasks.answers.json.frames import Cut, LooseJson, OpenValue, Pieces
from qreal_tasks.answers.json.strings import unescape

MAX_DEPTH = 64
"""Brackets nested deeper are skipped."""


_QUOTES = {'"': '"', "'": "'", "“": "”“", "”": "”", "‘": "’'", "「": "」", "『": "』", "＂": "＂", "`": "`"}
_Q = "[\"'“‘「『＂`]"
_END_Q = "[\"'”’」』＂`]"

_FIELD = "|".join(sorted(map(re.escape, FIELD_OF_KEY), key=len, reverse=True))
KEY = rf"{_Q}(?:{_FIELD}){_END_Q}\s{{0,9}}:"
_ANY_KEY = re.compile(rf"{_Q}[^\"'\n]{{1,40}}{_END_Q}\s{{0,9}}:")

# A bracket in prose opens a value only when what follows could begin one; a quoted field of an entity opens an object
# that has lost its brace.
_START = re.compile(
    rf"(?P<key>{KEY})|"
    rf"\{{(?=\s*(?:{_Q}|[^\W\d]\w{{0,40}}\s*:|\}}|//|/\*|\#|\Z))"
    rf"|\[(?=\s*(?:[\[\]{{(]|{_Q}|[-+.]?\d|//|/\*|\#|\Z))",
    re.IGNORECASE,
)
_SKIP = re.compile(r"(?:\s+|//[^\n]*|#[^\n]*|/\*(?s:.*?)(?:\*/|\Z)|```\w*)+")
_BOX = re.compile(r"\[\s*(-?\d{1,9}(?:\.\d{1,9})?(?:\s*,\s*-?\d{1,9}(?:\.\d{1,9})?){3})\s*\]", re.ASCII)
_BARE_KEY = re.compile(r"[^,:=\[\]{}\n]+")
_BARE = re.compile(r"[^,\[\]{}\n]+")
_BARE_IN_PAREN = re.compile(r"[^,()\[\]{}\n]+")
_COMMENT = r"(?://|\#|/\*)"

# What must follow a quote for it to close a key, a value of an object, an item of a list. An unescaped quote
# inside a text ("reads "OPEN" twice") is followed by something else.
_AFTER_KEY = re.compile(r"\s*[:=,}\]]")
_AFTER_VALUE = re.compile(
    rf"[ \t]*\n[ \t]*\n|\s*(?:[}}\])]|\Z|{_COMMENT}|```"
    rf"|(?:,\s*)?(?:[}}\])]|\Z|{_Q}[^\"'“”‘’\n]{{0,60}}(?:{_END_Q}\s*[:=]|\Z))"
    rf"|,\s*(?:[{{\[]|{_COMMENT}|[^\W\d]\w{{0,40}}\s*(?::|\Z)))"
)
_AFTER_ITEM = re.compile(rf"\s*(?:[\])}}:]|\Z|{_COMMENT}|,\s*(?:{_Q}|[{{\[(\])}}]|[-+.]?\d|[tfnNTF]|{_COMMENT}|\Z))")
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None, "none": None, "nan": float("nan")}


@dataclass
class Reader:
    """One pass over a text. ``plain`` has its punctuation in ASCII, ``text`` is the original, position by
    position."""

    text: str
    plain: str
    stack: list[OpenValue] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)

    def run(self) -> LooseJson:
        pos = 0
        while pos < len(self.plain):
            if self.stack:
                pos = self._step(pos)
                continue
            start = _START.search(self.plain, pos)
            if start is None:
                break
            if start["key"]:
                self.stack.append(OpenValue({}, start.start(), implied=True))
                pos = start.start()
            else:
                pos = self._open(start.start())
        return self._finish()

    def _step(self, pos: int) -> int:
        skipped = _SKIP.match(self.plain, pos)
        if skipped:
            return skipped.end()
        char, frame = self.plain[pos], self.stack[-1]
        if frame.implied and frame.key is None and char != "," and not _ANY_KEY.match(self.plain, pos):
            self._pop(pos)
            return pos + 1 if char == "}" else pos
        if char in "[{" or (char == "(" and self._wants_value(frame)):
            return self._open(pos)
        if char in "]}" or (char == ")" and frame.paren):
            self._close(char, pos + 1)
        elif char == ",":
            self._comma(frame)
        elif char in ":=":
            self._colon(frame)
        elif char in _QUOTES:
            return self._string(pos, frame)
        else:
            return self._unquoted(pos, frame)
        return pos + 1

    @staticmethod
    def _wants_value(frame: OpenValue) -> bool:
        return isinstance(frame.value, list) or frame.after_colon

    def _open(self, pos: int) -> int:
        box = _BOX.match(self.plain, pos)
        if box:  # most of a long answer; the general path takes several times as long
            numbers = [float(part) if "." in part else int(part) for part in box[1].split(",")]
            self._hand_up(numbers, pos, box.end())
            return box.end()
        if len(self.stack) < MAX_DEPTH:
            is_object = self.plain[pos] == "{"
            self.stack.append(OpenValue({} if is_object else [], pos, paren=self.plain[pos] == "("))
        return pos + 1

    def _hand_up(self, value: Any, start: int, end: int) -> None:
        """Give a finished value to what it stands in."""
        if self.stack:
            self._put(value)
        else:
            self.values.append(value)
            self.spans.append((start, end))

    def _pop(self, end: int) -> None:
        frame = self.stack.pop()
        self._hand_up(frame.whole(), frame.start, end)

    def _close(self, char: str, end: int) -> None:
        """Close up to the matching bracket: what it leaves open inside was only missing its own."""
        kind = dict if char == "}" else list
        depth = next((d for d in range(len(self.stack) - 1, -1, -1) if isinstance(self.stack[d].value, kind)), None)
        if depth is None:
            return
        while len(self.stack) > depth:
            self._pop(end)

    def _put(self, item: object) -> None:
        frame = self.stack[-1]
        if isinstance(frame.value, list):
            frame.value.append(item)
        elif frame.key is not None and (frame.after_colon or isinstance(item, dict | list)):
            frame.put(frame.key, item)
            frame.key, frame.after_colon = None, False
        elif isinstance(item, dict | Pieces):
            frame.put_beside(item if isinstance(item, Pieces) else [item])
        elif isinstance(item, list):
            frame.value.setdefault("", []).append(item)
        else:
            frame.key = str(item)

    def _comma(self, frame: OpenValue) -> None:
        if isinstance(frame.value, dict):
            if frame.key is not None and frame.after_colon:
                frame.value.setdefault(frame.key, None)
            frame.key, frame.after_colon = None, False

    def _colon(self, frame: OpenValue) -> None:
        if isinstance(frame.value, dict):
            frame.after_colon = frame.key is not None
        elif frame.value and isinstance(frame.value[-1], str):
            self._key_in_list(frame, frame.value)

    def _key_in_list(self, frame: OpenValue, items: list[Any]) -> None:
        """The last item is a key: the list has lost its bracket (``{"box": [1, 2, 3, 4, "label": ...``), or an object
        in it the brace that opens it (``[{...}, "box": ...``)."""
        key = items.pop()
        parent = self.stack[-2] if len(self.stack) > 1 else None
        if parent is not None and isinstance(parent.value, dict) and items and not isinstance(items[-1], dict):
            self._pop(frame.start)
            parent.key, parent.after_colon = key, True
        else:
            self.stack.append(OpenValue({}, frame.start, key=key, after_colon=True))

    def _string(self, pos: int, frame: OpenValue) -> int:
        is_key = isinstance(frame.value, dict) and not frame.after_colon
        after = _AFTER_KEY if is_key else _AFTER_VALUE if isinstance(frame.value, dict) else _AFTER_ITEM
        ends = _string_marks(_QUOTES[self.plain[pos]])
        for mark in ends.finditer(self.plain, pos + 1):
            if mark[0][0] != "\\" and after.match(self.plain, mark.end()):
                self._put(unescape(self.text[pos + 1 : mark.start()]))
                return mark.end()
        return len(self.plain)

    def _unquoted(self, pos: int, frame: OpenValue) -> int:
        if isinstance(frame.value, dict) and not frame.after_colon:
            pattern = _BARE_KEY
        else:
            pattern = _BARE_IN_PAREN if frame.paren else _BARE
        match = pattern.match(self.plain, pos)
        if match is None:
            return pos + 1
        if match.end() < len(self.plain):
            self._put(_word(match[0].strip(), self.text[pos : match.end()].strip()))
        return match.end()

    def _finish(self) -> LooseJson:
        """Hand up what is still open: lists as far as they go, objects as the list of their finished
        values."""
        if len(self.stack) == 1 and self.stack[0].implied and not self.stack[0].after_colon:
            self._pop(len(self.plain))
        truncated = bool(self.stack)
        cut_object = any(isinstance(frame.value, dict) for frame in self.stack)
        while self.stack:
            frame = self.stack.pop()
            value = frame.value
            rest = Cut([*frame.done, *(value.values() if isinstance(value, dict) else value)])
            if not self.stack:
                self.values.append(rest)
                self.spans.append((frame.start, len(self.plain)))
            elif isinstance(parent := self.stack[-1].value, list):
                parent.append(rest)
            else:
                parent[self.stack[-1].key or ""] = rest
        return LooseJson(self.values, truncated, cut_object, self.spans)


_MARKS = {closing: re.compile(rf"\\.|[{closing}]", re.S) for closing in _QUOTES.values()}


def _string_marks(closing: str) -> re.Pattern[str]:
    """Finds escapes and the marks that may close a string."""
    return _MARKS[closing]


def _word(plain: str, original: str) -> object:
    """An unquoted value: a number, a constant, or else its text."""
    if plain.lower() in _WORDS:
        return _WORDS[plain.lower()]
    try:
        return int(plain) if plain.isdecimal() and plain.isascii() else float(plain)
    except ValueError:  # also an integer of thousands of digits
        return original
