"""Search for entities among the objects and lists of a text.

>>> text = 'Perhaps [{"bbox": [1, 2, 3, 4], "label": "a"}]? No: [{"bbox": [5, 6, 7, 8], "label": "b"}]'
>>> find_json_entities(text, parse_loose_json(text)).drafts
[EntityDraft(label='b', description='', boxes=[[5, 6, 7, 8]])]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from qreal_tasks.answers.entities.fields import EntityDraft, FoundEntities
from qreal_tasks.answers.json.frames import LooseJson, Pieces
from qreal_tasks.answers.json.loose import parse_loose_json
from qreal_tasks.answers.json.objects import Rest, read_object, read_pieces, read_row
from qreal_tasks.answers.json.strings import decode_nested

_PLACEHOLDER = re.compile(r"(?:0\.)?[xy][12]")
_ADJACENT = re.compile(r"(?:[\W\d_]|json)*", re.IGNORECASE)
_AFTER_COLON = re.compile(r"(?:\A|[\n.!?])[^\n\[\]{}\d.!?]{0,80}:[\s\"'`*_]{0,9}\Z")
_NAMED_LINE = re.compile(
    r"(?:\A|\n)[^\n\[\]{}\d:]{0,40}\b(?:result|output|response|list|entities|json)[\s*_]{0,9}:[\s\"'`*_]{0,9}\Z",
    re.IGNORECASE,
)
_CORRECTION = re.compile(
    r"\b(?:final(?:ly)?|correct(?:ed|ion)|hmm|sorry|revis(?:ed|ion)|draft|actually|instead|or\srather|updated|refined"
    r"|reconsider\w*|scratch\sthat|ignore|disregard|re-?check\w*|double[\s-]check\w*|on\s(?:\w+\s)?reflection"
    r"|on\ssecond\sthoughts?|(?:on|upon)\scloser|(?:both|all|they|these|those)\s(?:are|look|seem)\s(?:\w+\s)?fine)\b"
    r"|(?:\A|[.!?\n])\W{0,9}wait\b|\bwait\s?[,!…]|\bno\s?[:,.!;—–]|\bbut\sno\b|最终|修正|更正|不对|草稿",
    re.IGNORECASE,
)
_DRAFT = re.compile(r"\b(?:draft|first\s(?:thought|attempt|guess)|perhaps|maybe|initial(?:ly)?|candidates?)\b", re.I)
_AROUND = r"[\s\"'`*_#>.,;:!-]*"


@dataclass
class _Value:
    """What one list or object of the text holds."""

    drafts: list[EntityDraft] = field(default_factory=list)
    empty: bool = False
    """It holds an empty list, or says in another way that there is nothing."""
    echoed: bool = False
    """It holds the prompt's own example."""
    is_list: bool = False
    """It is, or wraps, a list of entities; an object that is an entity itself is none."""


def find_json_entities(text: str, json: LooseJson) -> FoundEntities:
    """The entities of the values that ``parse_loose_json`` found in ``text``.

    Lists add up, an empty one adds nothing. Where a list is called a draft or the words before the next one correct
    it, and where the next one holds all its boxes again, that next one counts, also when it is an empty list; the
    entities before it are ``replaced``. Objects that stand by themselves all count.
    """
    values = [_read_value(value) for value in json.values]
    echoed = any(value.echoed for value in values)
    first, last_end, is_draft = 0, None, False
    seen: set[str] = set()
    for at, (value, (start, end)) in enumerate(zip(values, json.spans, strict=True)):
        is_cut = json.truncated and at == len(values) - 1
        states_none = value.empty and not value.drafts and not is_cut and _stands_by_itself(text, start, end, echoed)
        if not (value.drafts or states_none):
            continue
        begin, boxes = last_end or 0, {str(box) for draft in value.drafts for box in draft.boxes}
        between = text[begin:start]
        if value.is_list and last_end is not None and not _ADJACENT.fullmatch(between):
            first = at if is_draft or _CORRECTION.search(between) or seen <= boxes else first
        if first == at:
            seen.clear()
        seen |= boxes
        is_draft, last_end = _DRAFT.search(between[-200:]) is not None, end
    found = FoundEntities([draft for value in values[first:] for draft in value.drafts], truncated=json.truncated)
    found.replaced = sum(max(1, len(draft.boxes)) for value in values[:first] for draft in value.drafts)
    empties = [span for value, span in zip(values[first:], json.spans[first:], strict=True) if value.empty]
    if not found.drafts and empties and not json.truncated:
        found.states_none = _stands_by_itself(text, *empties[-1], echoed)
        # The prompt itself says "answer []"; behind an echo of it only a list that stands by itself is an answer.
        found.empty = found.states_none or not echoed
    return found


def _stands_by_itself(text: str, start: int, end: int, echoed: bool) -> bool:
    """Whether an empty list is said on its own and not in the middle of a sentence: on a line of its own, at the end,
    or at the beginning or behind a colon with a mark behind it."""
    before, after = text[max(0, start - 200) : start], text[end : end + 200]
    line_begins = re.search(rf"(?:\A|\n){_AROUND}(?:json)?{_AROUND}\Z", before) is not None
    if line_begins and re.match(r"[\s\"'`*_.,;]*?(?:\n|\Z)", after):
        return True
    if echoed:
        return not after.strip()
    ends = re.match(r"[\s\"'`*_.,;!)\]}]*(?:<[^<>\s]{1,30}>\s*)*\Z", after) is not None
    begins = start <= 200 and not re.search(r"[^\W_]", before.replace("json", ""))
    if _NAMED_LINE.search(before) and re.match(r"[ \t\"'`*_.]*\n", after):
        return True
    begins = begins or _AFTER_COLON.search(before) is not None
    return ends or (begins and re.match(r"[\s\"'`*_]*(?:[.,;:(]|[-–—]\s)", after) is not None)


def _read_value(value: Any) -> _Value:
    """All entities in a value, in the order of the text. Depth is in the data, so no recursion."""
    found = _Value(is_list=isinstance(value, list) and not isinstance(value, Pieces))
    waiting: list[tuple[Any, str, bool]] = [(value, "", False)]
    while waiting:
        item, name, inside = waiting.pop()
        drafts: list[EntityDraft] = []
        rest: Rest = []
        if isinstance(item, str):
            rest = [(part, name) for part in _json_in(item)]
        elif isinstance(item, Pieces):
            drafts, rest = read_pieces(item, name)
        elif isinstance(item, list):
            entity = read_row(item)
            drafts = [entity] if entity else []
            found.empty = found.empty or not item
            rest = [] if entity else [(part, name) for part in item]
        elif isinstance(item, dict) and item and all(map(_is_nothing, item.values())):
            found.empty = True
        elif isinstance(item, dict):
            drafts, rest = read_object(item, name)
        found.is_list = found.is_list or (item is value and not drafts)
        drafts = [draft for draft in drafts if draft.boxes or not inside]
        if any(_is_placeholder(box) for draft in drafts for box in draft.boxes):
            found.echoed = True
        else:
            found.drafts += drafts
        waiting += [(part, key, inside or bool(drafts)) for part, key in reversed(rest)]
    return found


def _json_in(text: str) -> Iterable[Any]:
    """The values of a text that is JSON itself."""
    stripped = text.strip().removeprefix("```json").strip("`\n ")
    return parse_loose_json(decode_nested(stripped)).values if stripped[:1] in ("[", "{") else ()


def _is_nothing(value: object) -> bool:
    return value is None or value == [] or (isinstance(value, str) and value.strip(" .").lower() in ("", "none", "n/a"))


def _is_placeholder(box: object) -> bool:
    return isinstance(box, list) and any(isinstance(p, str) and _PLACEHOLDER.fullmatch(p) for p in box)
