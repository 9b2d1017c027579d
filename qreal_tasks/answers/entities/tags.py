"""Parser of entities written with tags.

InternVL ``<ref>dog</ref><box>[[12,30,200,180]]</box>``, Qwen2-VL ``<|object_ref_start|>dog<|object_ref_end|>
<|box_start|>(12,30),(200,180)<|box_end|>``, DeepSeek-VL2 ``<|ref|>dog<|/ref|><|det|>[[12,30,200,180]]<|/det|>``, and
``<label>…</label><coordinate>…</coordinate><description>…`` with or without the closing tags.

>>> parse_tags("<ref>dog</ref><box>[[12,30,200,180]]</box>: five legs").drafts
[EntityDraft(label='dog', description='five legs', boxes=[[12.0, 30.0, 200.0, 180.0]])]
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from qreal_tasks.answers.characters import to_halfwidth
from qreal_tasks.answers.entities.fields import (
    FIELD_OF_KEY,
    EntityDraft,
    FoundEntities,
    extract_numbers,
    split_box_text,
)
from qreal_tasks.answers.entities.sides import NUMBER

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

    draft: EntityDraft = field(default_factory=EntityDraft)
    has: set[str] = field(default_factory=set)
    beside: list[str] = field(default_factory=list)
    """Text outside of any tag, the description when there is no tag for one."""

    def add(self, name: str, chunk: str) -> None:
        self.has.add(name)
        if name == "quad":
            self.draft.boxes = _bounding_box(chunk)
            return
        if name != "box":
            setattr(self.draft, name, _OTHER_TAG.sub(" ", chunk).strip())
            return
        box = _FOUR.search(to_halfwidth(chunk))
        if box and re.search(r"[^\W\d_]{2}", chunk[box.end() :]):  # no closing tag: the description follows
            self.say(chunk[box.end() :])
            chunk = chunk[: box.end()]
        self.draft.boxes += split_box_text(chunk)

    def say(self, chunk: str) -> None:
        """Keep what stands outside of tags, when it is more than punctuation."""
        if trimmed := _trim(chunk):
            self.beside.append(trimmed)

    def is_silent(self) -> bool:
        """Whether nothing was trimmed yet about the boxes, so that another box is of the same thing."""
        return not self.draft.description and not self.beside

    def finished(self) -> EntityDraft:
        if not self.draft.description:
            self.draft.description = " ".join(self.beside)
        return self.draft


def parse_tags(text: str) -> FoundEntities:
    """The tagged entities of ``text``; none unless a box and another field are tagged."""
    plain = to_halfwidth(text)
    marks = list(_TAG.finditer(plain))
    names = {_FIELD_OF_TAG[mark["name"].lower()] for mark in marks}
    if not names & _BOXES or names <= _BOXES:
        return FoundEntities()
    closed = {_FIELD_OF_TAG[mark["name"].lower()] for mark in marks if _is_closing(mark)}
    found, current = FoundEntities(), _Open()
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
            current = _Open(EntityDraft(label=current.draft.label if name == "box" else ""))
        if following is None and (name in closed or (name == "box" and not _FOUR.search(to_halfwidth(chunk)))):
            found.truncated = True
            break
        current.add(name, chunk)
    else:
        found.drafts.append(current.finished())
    # Labels alone may be any markup.
    return found if any(draft.boxes for draft in found.drafts) else FoundEntities(truncated=found.truncated)


def _is_closing(mark: re.Match[str]) -> bool:
    return bool(mark["close"]) or (mark["edge"] or "").lower() == "_end"


def _bounding_box(chunk: str) -> list[object]:
    """The box around the four corners of a quadrangle; the text itself when it has not four."""
    numbers = extract_numbers(chunk)
    if len(numbers) != 8:
        return [chunk.strip()]
    return [[min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])]]


def _trim(beside: str) -> str:
    trimmed = _BULLET_AT_END.sub("", _OTHER_TAG.sub(" ", beside)).lstrip(" \t\r\n:-–—,;.)]：，；").rstrip()
    return "" if _LEADING_TO_BOX.fullmatch(trimmed) else trimmed
