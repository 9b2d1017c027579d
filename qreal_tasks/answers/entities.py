"""Entities with boxes from a model's text (ImageQA).

>>> answer = parse_entities('[{"bbox_2d": [1, 2, 3, 4], "label": "dog", "description": "It has five legs."}]')
>>> answer.entities
(ParsedEntity(label='dog', box=(1.0, 2.0, 3.0, 4.0), description='It has five legs.'),)
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from qreal_tasks.answers import loose_json, prose, tags
from qreal_tasks.answers.fields import (
    FIELD_OF_KEY,
    Draft,
    Dropped,
    Found,
    ParsedEntity,
    corners,
    key_form,
    read_box,
    split_boxes,
    text_of,
)
from qreal_tasks.answers.spoken import Reason, ascii_forms, spoken


@dataclass(frozen=True)
class Entities:
    """What a text says about an image."""

    entities: tuple[ParsedEntity, ...]
    """In the order of the text, duplicates kept; empty with ``reason`` None when the text states that there
    is none."""
    reason: Reason | None
    """Why nothing could be read."""
    dropped: dict[str, int]
    """Entities left out, counted by ``Dropped``."""
    truncated: bool
    """The text ends inside an entity or a list; that entity is not among the others and not in
    ``dropped``."""


def parse_entities(text: str) -> Entities:
    """The entities of ``text``, in the model's own coordinates.

    Three styles are tried in this order, and the first that finds an entity decides: JSON objects (in
    whatever state, see ``loose_json``), tags (``<ref>``, ``<box>``, ``<label>`` and their like), then boxes
    in lists or prose. Only when none does, an empty list or a clear sentence counts as the statement that
    there is no entity.
    """
    said = spoken(text)
    if said.reason is not None:
        return Entities((), said.reason, {}, truncated=False)
    found = _found(said.text)
    if found.drafts:
        return _checked(found)
    if (found.empty and not found.truncated) or _states_none(said.text):
        return Entities((), None, {}, truncated=False)
    return Entities((), Reason.CUT_OFF if found.truncated else Reason.NO_ENTITY, {}, found.truncated)


def _found(text: str) -> Found:
    """What the first style finds that finds an entity."""
    json = loose_json.read(text)
    in_json = _in_json(json.values, text)
    in_json.truncated = json.truncated
    # The numbers of an object that was cut off must not be taken for a box in prose.
    if in_json.drafts or json.cut_object:
        return in_json
    for read in (tags.read, prose.read):
        found = read(text)
        in_json.truncated |= found.truncated
        if found.drafts:
            found.truncated = in_json.truncated
            return found
    return in_json


def _checked(found: Found) -> Entities:
    entities: list[ParsedEntity] = []
    dropped: Counter[str] = Counter()
    for draft in found.drafts:
        if not draft.boxes:
            dropped[Dropped.NO_BOX.value] += 1
        for value in draft.boxes:
            box = read_box(value)
            if isinstance(box, Dropped):
                dropped[box.value] += 1
            else:
                entities.append(ParsedEntity(draft.label, box, draft.description))
    return Entities(tuple(entities), None, dict(dropped), found.truncated)


_PLACEHOLDER = re.compile(r"(?:0\.)?[xy][12]")


def _in_json(values: list[Any], text: str) -> Found:
    """Entities among the objects of the text, in order; and whether it holds an empty list."""
    found, echoed = Found(), False
    waiting = values[::-1]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            found.empty = found.empty or not value
            waiting += value[::-1]
        elif isinstance(value, dict):
            drafts = _drafts(value)
            if drafts is None:
                waiting += list(value.values())[::-1]
            elif any(_is_placeholder(box) for draft in drafts for box in draft.boxes):
                echoed = True
            else:
                found.drafts += drafts
    if echoed:
        # The prompt itself says "answer []"; behind an echo of it only a list that ends the text is an
        # answer.
        found.empty = found.empty and re.sub(r"[\s`]+", "", text[-200:]).endswith("[]")
    return found


def _is_placeholder(box: object) -> bool:
    return isinstance(box, list) and any(isinstance(p, str) and _PLACEHOLDER.fullmatch(p) for p in box)


def _drafts(value: dict[str, Any]) -> list[Draft] | None:
    """The entities that this object is, None when it only holds others."""
    named = {key_form(str(key)): item for key, item in value.items()}
    fields: dict[str, Any] = {}
    for key, name in FIELD_OF_KEY.items():
        if key in named:
            fields.setdefault(name, named[key])
    draft = Draft(text_of(fields.get("label")), text_of(fields.get("description")))
    around = corners(named)
    if "box" in fields and not _holds_entities(fields["box"]):
        draft.boxes = split_boxes(fields["box"])
        return [draft]
    if around is not None:
        draft.boxes = [around]
        return [draft]
    if named and all(isinstance(item, list) and _four_numbers(item) for item in named.values()):
        return [Draft(str(key).strip(), "", [item]) for key, item in value.items()]
    holds_more = any(isinstance(i, list | dict) for key, i in named.items() if FIELD_OF_KEY.get(key) is None)
    if isinstance(fields.get("label"), str) and not holds_more and not _holds_entities(fields.get("description")):
        return [draft]
    return None


def _holds_entities(value: object) -> bool:
    """Whether a field holds objects of its own, other than the corners of a box or texts by body part."""
    items = value if isinstance(value, list) else []
    return any(
        isinstance(item, dict) and corners({key_form(str(k)): v for k, v in item.items()}) is None for item in items
    )


def _four_numbers(value: list[Any]) -> bool:
    return len(value) == 4 and all(isinstance(part, int | float) for part in value)


_ENTITY = r"entit(?:y|ies)"
_THING = (
    rf"(?:{_ENTITY}|objects?|regions?|elements?|items?|people|persons?|issues?|flaws?|problems?|defects?|areas?"
    r"|anomal(?:y|ies)|inconsistenc(?:y|ies))"
)
_ADJECTIVES = r"(?:(?!other\b|further\b|more\b|additional\b|longer\b)[\w-]{1,24},?\s{1,3}){0,8}?"
_NO_ENTITY = re.compile(rf"\bno\s{{1,3}}{_ADJECTIVES}{_ENTITY}\b", re.IGNORECASE)
_NONE_STATED = re.compile(
    rf"\b(?:no|zero)\s{{1,3}}{_ADJECTIVES}{_THING}\b"
    rf"|(?:\bnot|n't)\s{{1,3}}(?:\w{{1,12}}\s{{1,3}}){{0,4}}?any\s{{1,3}}{_ADJECTIVES}{_THING}\b"
    rf"|\b(?:everything|(?:all|every|each)\s{{1,3}}{_ADJECTIVES}{_THING})\s{{1,3}}(?:\w{{1,16}}\s{{1,3}}){{0,6}}?"
    r"(?:realistic|real|plausible|natural|correct)\b"
    r"|\A\W*(?:none|nothing|n/a|empty|null)\W*(?:found|detected|here|\Z)"
    r"|没有|不存在|未发现|\A\W*无",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:but|however|although|except|though|unable|cannot|can'?t|sorry)\b|但|无法", re.IGNORECASE
)
_SENTENCE = re.compile(r"[^.!?\n]+")
_LONGEST_STATEMENT = 400


def _states_none(text: str) -> bool:
    """Whether a short text says clearly that there is no such entity."""
    plain = ascii_forms(text).replace("’", "'").strip()
    if len(plain) > _LONGEST_STATEMENT or _TAKEN_BACK.search(plain):
        return False
    first = _SENTENCE.search(plain)
    return bool((first and _NONE_STATED.search(first[0])) or _NO_ENTITY.search(plain))
