"""Parser of entities in lists and sentences: a box in brackets, and what is written around it.

>>> parse_prose("The dog at [1, 2, 3, 4] has five legs.").drafts
[EntityDraft(label='dog', description='The dog at [1, 2, 3, 4] has five legs.', boxes=[[1.0, 2.0, 3.0, 4.0]])]
>>> parse_prose("1. **Hand** (10, 20, 30, 40): six fingers").drafts
[EntityDraft(label='Hand', description='six fingers', boxes=[[10.0, 20.0, 30.0, 40.0]])]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from qreal_tasks.answers.characters import to_halfwidth
from qreal_tasks.answers.entities.fields import FIELD_OF_KEY, EntityDraft, FoundEntities, extract_sides_or_numbers
from qreal_tasks.answers.entities.sides import NUMBER, SIDE_NAME, normalise_key

_NAME = rf"(?:{SIDE_NAME})[\"']?\s{{0,2}}[=:]\s{{0,2}}"
_NAMED = rf"(?:{_NAME})?"
_BETWEEN = r"(?:\s{0,4}[,;]\s{0,4}|\s{1,4})"
_N = rf"{_NAMED}{NUMBER}(?:px)?"
_POINT = rf"[\[(]\s{{0,4}}{_N}{_BETWEEN}{_N}\s{{0,4}}[\])]"
_BOX = re.compile(
    rf"[\[(]?{_POINT}\s{{0,4}}(?:[,;–—-]|to\b|and\b)?\s{{0,4}}{_POINT}[\])]?"  # two corners
    # In square brackets another count than four is a broken box, and counted as one.
    rf"|\[\s{{0,4}}{_N}(?:{_BETWEEN}{_N}){{2,15}}\s{{0,4}}\]"
    rf"|\(\s{{0,4}}{_N}(?:{_BETWEEN}{_N}){{3}}\s{{0,4}}\)"
    rf"|(?<!\w){_NAME}{NUMBER}(?:px)?(?:{_BETWEEN}{_N}){{3}}"
    rf"|\b(?:bbox(?:_2d)?|box|coordinates?)[\s*:]{{1,6}}{NUMBER}(?:{_BETWEEN}{NUMBER}){{3}}(?![\d.])",
    re.ASCII | re.IGNORECASE,
)
_QUAD = re.compile(
    r"(?<=box>)\s{0,9}<quad>[^<>]{0,200}</quad>|(?<=box_end\|>)\s{0,9}<\|quad_start\|>[^<>]{0,200}<\|quad_end\|>"
)
"""Behind a box the same thing again."""
_TAG = re.compile(r"<\|?/?\|?[A-Za-z][\w-]{0,30}\|?>")
_MARKER = re.compile(r"(?P<indent>[ \t]*)(?:[-*•+]\s+|\d{1,3}[.)]\s*|\(\d{1,3}\)\s*|#{1,6}\s+|(?=\*\*))")
_KEYS = "|".join(re.escape(key).replace("_", "[ _]") for key in sorted(FIELD_OF_KEY, key=len, reverse=True))
_FIELD = re.compile(
    rf"[\s\W\d]{{0,10}}?(?P<key>{_KEYS})"
    r"(?:\s\([^)\n]{0,30}\))?[*_\"]{0,3}\s{0,2}:[*_\"\s]{0,4}",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^\W\d_]|\Z)|(?<=。)|\n")
_BEFORE_BOX = re.compile(
    r"(?:\W|\b(?:at|in|is|are|with|within|around|near|of|from|the|its|has|located|found|situated|positioned|region|area"
    r"|bounding|box|bbox|bbox_2d|coordinates?|coords?|location|position)\b){1,40}\Z",
    re.IGNORECASE,
)
_AFTER_ARTICLE = re.compile(r"\A.*\b(?:the|an?)\s", re.IGNORECASE | re.DOTALL)
_ARTICLE = re.compile(r"\A\W*(?:(?:there (?:is|are)|and|also|the|an?|one)\s+)*", re.IGNORECASE)
_LONGEST_LABEL = 5
"""Words; a longer text before a box is a sentence, of which the label is the last noun phrase."""

_LONGEST_SENTENCE = 2000
"""Characters; of a longer sentence with many boxes each gets its own piece, so that the work stays linear."""
_REACH = 300
"""Characters before a box among which its label is looked for."""


@dataclass
class _Item:
    """A list item or a paragraph: the lines about one thing."""

    start: int
    end: int
    indent: int = 0
    has: set[str] = field(default_factory=set)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Where the fields lie that have lines of their own."""


def parse_prose(text: str) -> FoundEntities:
    """The boxes of ``text``, each with the label and the description that its list item or sentence gives
    it."""
    # Blank, not gone: a position stays a position.
    text = _QUAD.sub(lambda quad: " " * len(quad[0]), text)
    text = _TAG.sub(lambda tag: " " * len(tag[0]), text)
    plain = to_halfwidth(text)
    boxes = list(_BOX.finditer(plain))
    drafts: list[EntityDraft] = []
    at = 0
    for item in _items(plain, boxes) if boxes else ():
        inside = []
        while at < len(boxes) and boxes[at].start() < item.end:
            inside.append(boxes[at])
            at += 1
        drafts += _item_drafts(text, plain, item, inside)
    return FoundEntities(drafts)


def _items(plain: str, boxes: list[re.Match[str]]) -> Iterator[_Item]:
    """Cut the text where a list item, a heading, a new set of fields or a new paragraph begins."""
    item, base, start, at, blank = _Item(0, 0), None, 0, 0, False
    last_field = ""
    for line in plain.splitlines(keepends=True):
        end = start + len(line)
        with_box = False
        while at < len(boxes) and boxes[at].start() < end:
            with_box, at = True, at + 1
        marker, named = _MARKER.match(line), _FIELD.match(line)
        name = FIELD_OF_KEY[normalise_key(named["key"])] if named else ""
        indent = len(marker["indent"]) if marker else None
        if marker and not name and base is None:
            base = indent
        if name:
            begins = name in item.has or (name == "label" and "box" in item.has and "box" not in item.spans)
        elif indent is not None:
            begins = indent <= (base or 0)
        else:
            begins = blank and "box" in item.has and (with_box or not item.spans)
        if begins:
            yield item
            item, last_field = _Item(start, start), ""
        item.has |= {"box"} if with_box else set()
        if named:
            item.has.add(name)
            item.spans[name] = (start + named.end(), end)
        elif last_field == "description" and not with_box and not blank and line.strip():
            item.spans["description"] = (item.spans["description"][0], end)
        last_field = name or (last_field if line.strip() else "")
        item.end = start = end
        blank = not line.strip()
    yield item


def _item_drafts(text: str, plain: str, item: _Item, boxes: list[re.Match[str]]) -> Iterator[EntityDraft]:
    fields = {name: text[start:end] for name, (start, end) in item.spans.items()}
    label = _strip_markup(_BOX.split(fields.get("label", ""), maxsplit=1)[0])
    description = _strip_markup(fields.get("description", ""))
    previous = sentence_start = sentence_end = item.start
    for index, box in enumerate(boxes):
        following = boxes[index + 1].start() if index + 1 < len(boxes) else item.end
        left = _sentence_start(plain, previous, box.start())
        if left > previous or index == 0:
            sentence_start = left
        if sentence_end < box.end():
            sentence_end = _sentence_end(plain, box.end(), item.end)
        if sentence_end - sentence_start > _LONGEST_SENTENCE:
            sentence = text[left : min(sentence_end, following)]
        else:
            sentence = text[sentence_start:sentence_end]
        # The only box of a list item owns all that the item says.
        right = _paragraph_end(plain, box.end(), item.end) if len(boxes) == 1 else min(sentence_end, following)
        head, tail = text[max(left, box.start() - _REACH) : box.start()], text[box.end() : right]
        if not _BEFORE_BOX.sub("", " " + _without_marker(head)).strip():
            head = _first_line(text[item.start : left]) if previous == item.start else ""
        yield EntityDraft(
            label or _label(head),
            description or _description(head, tail, sentence),
            [extract_sides_or_numbers(box[0])],
        )
        previous = box.end()


def _sentence_start(plain: str, start: int, end: int) -> int:
    ends = [match.end() for match in _SENTENCE_END.finditer(plain, start, end)]
    return ends[-1] if ends else start


def _sentence_end(plain: str, start: int, end: int) -> int:
    match = _SENTENCE_END.search(plain, start, end)
    return match.start() if match else end


def _paragraph_end(plain: str, start: int, end: int) -> int:
    match = re.compile(r"\n[ \t]*\n").search(plain, start, end)
    return match.start() if match else end


def _without_marker(line: str) -> str:
    marker = _MARKER.match(line)
    return line[marker.end() :] if marker else line


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _strip_markup(text: str) -> str:
    """A field's text without the markup around it."""
    return text.strip(" \t\r\n*_`\"'“”|,;：:-–—")


def _label(head: str) -> str:
    bold = re.findall(r"\*\*([^*\n]{1,80})\*\*", head)
    if bold:
        return _strip_markup(_BEFORE_BOX.sub("", bold[-1]) or bold[-1])
    words = _BEFORE_BOX.sub("", _without_marker(head))
    if len(words.split()) > _LONGEST_LABEL:
        words = _AFTER_ARTICLE.sub("", words)
    return _strip_markup(_ARTICLE.sub("", words))


def _description(head: str, tail: str, sentence: str) -> str:
    """What follows the box when the text before it is only a name, else the sentence as written."""
    name = _BEFORE_BOX.sub("", _without_marker(head))
    named_only = len(name.split()) <= _LONGEST_LABEL
    if named_only and (not tail.strip() or re.match(r"\W*[:：\-–—,，|\n]|\W*\Z", tail)):
        return _strip_markup(tail.lstrip(' \t\r\n)]*`|".。')).lstrip("•*- ")
    return re.sub(" {2,}", " ", _without_marker(sentence)).strip()  # where tags were blanked
