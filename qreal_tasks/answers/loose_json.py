"""JSON as models write it: every value found in a text, whatever surrounds it or is wrong with it.

Tolerates prose and code fences around, Python literals, single and typographic quotes, unquoted keys,
comments, missing and trailing commas, full-width punctuation, unescaped quotes inside a text, wrong or
missing closing brackets, and an end in the middle. One pass, no recursion: time is linear and depth is
bounded.

A repair library (json-repair) was tried and left: it closes a number that the token limit cut ("[12, 30, 40"
when 400 was meant) without saying so, and raises on deep nesting.

>>> read('Sure: [{box: [1, 2, 3, 4], "label": \\'the dog\\'s paw\\',}, {"box": [5, 6')
LooseJson(values=[[{'box': [1, 2, 3, 4], 'label': "the dog's paw"}, [[5]]]], truncated=True, cut_object=True)
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from qreal_tasks.answers.spoken import ascii_forms

MAX_DEPTH = 64
"""Brackets nested deeper are skipped."""


@dataclass(frozen=True)
class LooseJson:
    """The values of a text, in order."""

    values: list[Any]
    truncated: bool
    """The text ends inside a value."""
    cut_object: bool
    """That value is, or is inside, an object. What it had finished is kept as a list, so it is not taken for
    whole."""


_QUOTES = {'"': '"', "'": "'", "“": "”“", "”": "”", "‘": "’'", "「": "」", "『": "』", "＂": "＂", "`": "`"}
_Q = "[\"'“‘「『＂`]"
_END_Q = "[\"'”’」』＂`]"

# A bracket in prose opens a value only when what follows could begin one.
_START = re.compile(
    rf"\{{(?=\s*(?:{_Q}|[^\W\d]\w{{0,40}}\s*:|\}}|//|/\*|\#|\Z))"
    rf"|\[(?=\s*(?:[\[\]{{(]|{_Q}|[-+.]?\d|//|/\*|\#|\Z))"
)
_SKIP = re.compile(r"(?:\s+|//[^\n]*|#[^\n]*|/\*(?s:.*?)(?:\*/|\Z)|```\w*)+")
_BOX = re.compile(r"\[\s*(-?\d{1,9}(?:\.\d{1,9})?(?:\s*,\s*-?\d{1,9}(?:\.\d{1,9})?){3})\s*\]", re.ASCII)
_BARE_KEY = re.compile(r"[^,:=\[\]{}\n]+")
_BARE = re.compile(r"[^,\[\]{}\n]+")
_BARE_IN_PAREN = re.compile(r"[^,()\[\]{}\n]+")
_ESCAPE = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.S)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_COMMENT = r"(?://|\#|/\*)"

# What must follow a quote for it to close a key, a value of an object, an item of a list. An unescaped quote
# inside a text ("reads "OPEN" twice") is followed by something else.
_AFTER_KEY = re.compile(r"\s*[:=,}\]]")
_AFTER_VALUE = re.compile(
    rf"\s*(?:[}}\])]|\Z|{_COMMENT}|```"
    rf"|(?:,\s*)?(?:[}}\])]|\Z|{_Q}[^\"'“”‘’\n]{{0,60}}(?:{_END_Q}\s*[:=]|\Z))"
    rf"|,\s*(?:[{{\[]|{_COMMENT}|[^\W\d]\w{{0,40}}\s*(?::|\Z)))"
)
_AFTER_ITEM = re.compile(rf"\s*(?:[\])}}:]|\Z|{_COMMENT}|,\s*(?:{_Q}|[{{\[(\])}}]|[-+.]?\d|[tfnNTF]|{_COMMENT}|\Z))")
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None, "none": None, "nan": float("nan")}


@dataclass
class _Frame:
    """An open list or object."""

    value: list[Any] | dict[str, Any]
    paren: bool = False
    key: str | None = None
    after_colon: bool = False


@dataclass
class _Reader:
    """One pass over a text. ``plain`` has its punctuation in ASCII, ``text`` is the original, position by
    position."""

    text: str
    plain: str
    stack: list[_Frame] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def run(self) -> LooseJson:
        pos = 0
        while pos < len(self.plain):
            if self.stack:
                pos = self._step(pos)
                continue
            start = _START.search(self.plain, pos)
            if start is None:
                break
            pos = self._open(start.start())
        return self._finish()

    def _step(self, pos: int) -> int:
        skipped = _SKIP.match(self.plain, pos)
        if skipped:
            return skipped.end()
        char, frame = self.plain[pos], self.stack[-1]
        if char in "[{" or (char == "(" and self._wants_value(frame)):
            return self._open(pos)
        if char in "]}" or (char == ")" and frame.paren):
            self._close(char)
        elif char == ",":
            self._comma(frame)
        elif char in ":=":
            self._colon(frame)
        elif char in _QUOTES:
            return self._string(pos, frame)
        else:
            return self._bare(pos, frame)
        return pos + 1

    @staticmethod
    def _wants_value(frame: _Frame) -> bool:
        return isinstance(frame.value, list) or frame.after_colon

    def _open(self, pos: int) -> int:
        box = _BOX.match(self.plain, pos)
        if box:  # most of a long answer; the general path takes several times as long
            numbers = [float(part) if "." in part else int(part) for part in box[1].split(",")]
            if self.stack:
                self._put(numbers)
            else:
                self.values.append(numbers)
            return box.end()
        if len(self.stack) < MAX_DEPTH:
            is_object = self.plain[pos] == "{"
            self.stack.append(_Frame({} if is_object else [], paren=self.plain[pos] == "("))
        return pos + 1

    def _close(self, char: str) -> None:
        """Close up to the matching bracket: what it leaves open inside was only missing its own."""
        kind = dict if char == "}" else list
        depth = next((d for d in range(len(self.stack) - 1, -1, -1) if isinstance(self.stack[d].value, kind)), None)
        if depth is None:
            return
        while len(self.stack) > depth:
            value = self.stack.pop().value
            if self.stack:
                self._put(value)
            else:
                self.values.append(value)

    def _put(self, item: object) -> None:
        frame = self.stack[-1]
        if isinstance(frame.value, list):
            frame.value.append(item)
        elif frame.key is not None and frame.after_colon:
            frame.value[frame.key] = item
            frame.key, frame.after_colon = None, False
        elif isinstance(item, dict | list):
            frame.value.setdefault("", []).append(item)
        else:
            frame.key = str(item)

    def _comma(self, frame: _Frame) -> None:
        if isinstance(frame.value, dict):
            if frame.key is not None and frame.after_colon:
                frame.value[frame.key] = None
            frame.key, frame.after_colon = None, False

    def _colon(self, frame: _Frame) -> None:
        if isinstance(frame.value, dict):
            frame.after_colon = frame.key is not None
        elif frame.value and isinstance(frame.value[-1], str) and len(self.stack) > 1:
            self._close_before_key(frame.value)

    def _close_before_key(self, items: list[Any]) -> None:
        """``{"box": [1, 2, 3, 4, "label": ...``: the list has lost its bracket, its last item is the next
        key."""
        parent = self.stack[-2]
        if isinstance(parent.value, dict):
            key = items.pop()
            self.stack.pop()
            self._put(items)
            parent.key, parent.after_colon = key, True

    def _string(self, pos: int, frame: _Frame) -> int:
        is_key = isinstance(frame.value, dict) and not frame.after_colon
        after = _AFTER_KEY if is_key else _AFTER_VALUE if isinstance(frame.value, dict) else _AFTER_ITEM
        ends = _string_marks(_QUOTES[self.plain[pos]])
        for mark in ends.finditer(self.plain, pos + 1):
            if mark[0][0] != "\\" and after.match(self.plain, mark.end()):
                self._put(_unescaped(self.text[pos + 1 : mark.start()]))
                return mark.end()
        return len(self.plain)

    def _bare(self, pos: int, frame: _Frame) -> int:
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
        truncated = bool(self.stack)
        cut_object = any(isinstance(frame.value, dict) for frame in self.stack)
        while self.stack:
            value = self.stack.pop().value
            rest = list(value.values()) if isinstance(value, dict) else value
            if not self.stack:
                self.values.append(rest)
            elif isinstance(parent := self.stack[-1].value, list):
                parent.append(rest)
            else:
                parent[self.stack[-1].key or ""] = rest
        return LooseJson(self.values, truncated, cut_object)


def read(text: str) -> LooseJson:
    """Every list and object of ``text``. Valid JSON is read exactly as ``json.loads`` reads it."""
    strict = _strict(text)
    if strict is not None:
        return LooseJson([strict], truncated=False, cut_object=False)
    return _Reader(text, ascii_forms(text)).run()


def _strict(text: str) -> Any:
    """What lies between the first and the last bracket, when that is valid JSON."""
    first = min((at for at in (text.find("["), text.find("{")) if at >= 0), default=-1)
    if first < 0:
        return None
    try:
        return json.loads(text[first : max(text.rfind("]"), text.rfind("}")) + 1])
    except (ValueError, RecursionError):
        return None


_MARKS = {closing: re.compile(rf"\\.|[{closing}]", re.S) for closing in _QUOTES.values()}


def _string_marks(closing: str) -> re.Pattern[str]:
    """Finds escapes and the marks that may close a string."""
    return _MARKS[closing]


def _unescaped(body: str) -> str:
    return _ESCAPE.sub(_character, body) if "\\" in body else body


def _character(escape: re.Match[str]) -> str:
    high, low, code, char = escape.groups()
    if high:
        return chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00)
    return chr(int(code, 16)) if code else _ESCAPES.get(char, char)


def _word(plain: str, original: str) -> object:
    """An unquoted value: a number, a constant, or else its text."""
    if plain.lower() in _WORDS:
        return _WORDS[plain.lower()]
    try:
        return int(plain) if plain.isdecimal() and plain.isascii() else float(plain)
    except ValueError:  # also an integer of thousands of digits
        return original
