"""Entities written with tags.

InternVL ``<ref>dog</ref><box>[[12,30,200,180]]</box>``, Qwen2-VL ``<|object_ref_start|>dog<|object_ref_end|>
<|box_start|>(12,30),(200,180)<|box_end|>``, DeepSeek-VL2 ``<|ref|>dog<|/ref|><|det|>[[12,30,200,180]]<|/det|>``, and
``<label>…</label><coordinate>…</coordinate><description>…`` with or without the closing tags.

>>> read("<ref>dog</ref><box>[[12,30,200,180]]</box>: five legs").drafts
[Draft(label='dog', description='five legs', boxes=[[12.0, 30.0, 200.0, 180.0]])]
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from qreal_tasks.answers.entities.fields import FIELD_OF_KEY, Draft, Found, boxes_in, numbers_in
from qreal_tasks.answers.entities.sides import NUMBER
from qreal_tasks.answers.plain import ascii_forms

_FIELD_OF_TAG = {**FIELD_OF_KEY, "ref": "label", "object_ref": "label", "det": "box", "quad": "quad"}
_BOXES = {"box", "quad"}
_TAG = re.compile(
    rf"<\|?(?P<close>/?)\|?\s?(?P<name>{'|'.join(sorted(map(re.escape, _FIELD_OF_TAG), key=len, reverse=True))})"
    r"(?P<edge>_start|_end)?\s?\|?>",
    re.IGNORECASE,
)
_OTHER_TAG = re.compile(r"<\|?/?\|?[\w-]{1,30}\|?>")
_BULLET_AT_END = re.compile(r"\n\s*(?:[-*•]|\d{1,3}[.)])\s*\Z")
_LEADING_TO_BOX = re.compile(r"(?:\W|\b(?:at|in|is|are|and|located|with)\b)*", re.IGNORECASE)
_FOUR = re.compile(rf"{NUMBER}(?:[\s,()\[\]]{{1,9}}{NUMBER}){{3}}", re.ASCII)


@dataclass
class _Open:
    """An entity being read; which fields it has tells where the next one begins."""

    draft: Draft = field(default_factory=Draft)
    has: set[str] = field(default_factory=set)
    beside: list[str] = field(default_factory=list)
    """Text outside of any tag, the description when there is no tag for one."""

    def add(self, name: str, chunk: str) -> None:
        self.has.add(name)
        if name == "quad":
            self.draft.boxes = _around(chunk)
            return
        if name != "box":
            setattr(self.draft, name, _OTHER_TAG.sub(" ", chunk).strip())
            return
        box = _FOUR.search(ascii_forms(chunk))
        if box and re.search(r"[^\W\d_]{2}", chunk[box.end() :]):  # no closing tag: the description follows
            self.say(chunk[box.end() :])
            chunk = chunk[: box.end()]
        self.draft.boxes += boxes_in(chunk)

    def say(self, chunk: str) -> None:
        """Keep what stands outside of tags, when it is more than punctuation."""
        if said := _trimmed(chunk):
            self.beside.append(said)

    def is_silent(self) -> bool:
        """Whether nothing was said yet about the boxes, so that another box is of the same thing."""
        return not self.draft.description and not self.beside

    def finished(self) -> Draft:
        if not self.draft.description:
            self.draft.description = " ".join(self.beside)
        return self.draft


def read(text: str) -> Found:
    """The tagged entities of ``text``; none unless a box and another field are tagged."""
    plain = ascii_forms(text)
    marks = list(_TAG.finditer(plain))
    names = {_FIELD_OF_TAG[mark["name"].lower()] for mark in marks}
    if not names & _BOXES or names <= _BOXES:
        return Found()
    closed = {_FIELD_OF_TAG[mark["name"].lower()] for mark in marks if _is_closing(mark)}
    found, current = Found(), _Open()
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        name = _FIELD_OF_TAG[mark["name"].lower()]
        chunk = text[mark.end() : following.start() if following else len(text)]
        if _is_closing(mark):
            current.say(chunk if current.has else "")
            continue
        if name == "quad" and "box" in current.has:  # the same thing again, with four corners
            continue
        if name in current.has and not (name == "box" and current.is_silent()):
            found.drafts.append(current.finished())
            # A second box without a new label is the same thing again.
            current = _Open(Draft(label=current.draft.label if name == "box" else ""))
        if following is None and (name in closed or (name == "box" and not _FOUR.search(ascii_forms(chunk)))):
            found.truncated = True
            break
        current.add(name, chunk)
    else:
        found.drafts.append(current.finished())
    # Labels alone may be any markup.
    return found if any(draft.boxes for draft in found.drafts) else Found(truncated=found.truncated)


def _is_closing(mark: re.Match[str]) -> bool:
    return bool(mark["close"]) or (mark["edge"] or "").lower() == "_end"


def _around(chunk: str) -> list[object]:
    """The box around the four corners of a quadrangle; the text itself when it has not four."""
    numbers = numbers_in(chunk)
    if len(numbers) != 8:
        return [chunk.strip()]
    return [[min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])]]


def _trimmed(beside: str) -> str:
    said = _BULLET_AT_END.sub("", _OTHER_TAG.sub(" ", beside)).lstrip(" \t\r\n:-–—,;.)]：，；").rstrip()
    return "" if _LEADING_TO_BOX.fullmatch(said) else said
