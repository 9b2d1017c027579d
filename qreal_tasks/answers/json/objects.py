"""Readers of objects and rows of JSON as entities: fields by many names, parallel lists, labels as keys, sides."""

from __future__ import annotations

import re
from typing import Any

from qreal_tasks.answers.entities.fields import (
    FIELD_NAMES,
    FIELD_OF_KEY,
    EntityDraft,
    has_named_sides,
    parse_box,
    split_boxes,
    to_text,
)
from qreal_tasks.answers.entities.sides import find_coordinate_names, normalise_key
from qreal_tasks.answers.json.frames import Cut, Pieces

_PLURALS = {plural: name for name in ("label", "description") for plural in FIELD_NAMES[f"{name}s"]}
"""Lists with a text for each box, beside a list of boxes."""

Rest = list[tuple[Any, str]]
"""Values that may hold entities, each with the label that the key above it gives."""


def read_row(item: list[Any]) -> EntityDraft | None:
    """An entity written as a row: ["hand", [10, 20, 30, 40], "six fingers"]."""
    texts = [part for part in item if isinstance(part, str)]
    others = [part for part in item if not isinstance(part, str)]
    if isinstance(item, Cut) or not 1 <= len(texts) <= 2 or len(item) > 6:
        return None
    box = others[0] if len(others) == 1 and isinstance(others[0], list) else others
    if not _is_box(box):
        return None
    return EntityDraft(texts[0].strip(), texts[1].strip() if len(texts) > 1 else "", [box])


def read_pieces(pieces: Pieces, name: str) -> tuple[list[EntityDraft], Rest]:
    """The objects that one object with repeated keys stands for; the only label or description is for all of them."""
    parts = [read_object(piece, name) for piece in pieces if isinstance(piece, dict)]
    drafts = [draft for own, _ in parts for draft in own]
    with_box = [draft for draft in drafts if draft.boxes]
    for of in ("label", "description"):
        texts = [getattr(draft, of) for draft in drafts if getattr(draft, of)]
        if len(texts) == 1 and len(with_box) > 1:
            for draft in with_box:
                setattr(draft, of, texts[0])
            drafts = with_box
    return drafts, [item for _, rest in parts for item in rest]


_NUMBERED = re.compile(r"(.*?[^\W\d_])_?(\d{1,4})")


def _numbered(named: dict[str, Any]) -> Pieces | None:
    """The objects that one with numbered fields stands for: {"box_1": ..., "label_1": ..., "box_2": ...}."""
    own = {key: item for key, item in named.items() if key in FIELD_OF_KEY}
    shared = {key: item for key, item in own.items() if FIELD_OF_KEY[key] != "box"}
    parts: dict[str, dict[str, Any]] = {"": own} if len(shared) < len(own) else {}
    numbered = False
    for key, item in named.items():
        match = _NUMBERED.fullmatch(key)
        if match and match[1] in FIELD_OF_KEY and key not in FIELD_OF_KEY:
            parts.setdefault(match[2], {**shared})[match[1]] = item
            numbered = numbered or FIELD_OF_KEY[match[1]] == "box"
    return Pieces(parts.values()) if numbered else None


def read_object(value: dict[str, Any], name: str) -> tuple[list[EntityDraft], Rest]:
    """The entities that this object is, and the values in it that may hold others.

    Args:
        name: the key under which the object stands, which is its label when it has none.
    """
    named = {normalise_key(str(key)): item for key, item in value.items()}
    fields: dict[str, str] = {}
    for key, field_name in FIELD_OF_KEY.items():
        if key in named:
            fields.setdefault(field_name, key)
    if name and fields.get("label") == "type":  # the key above says more: {"hand": {"type": "human"}}
        del fields["label"]
    if numbered := _numbered(named):
        return read_pieces(numbered, name)
    box_key = fields.get("box", "")
    box = named.get(box_key)
    if box == [] and box_key in FIELD_NAMES["box_lists"]:
        return [], [([], name)]
    used = {key for key in fields.values() if not isinstance(named[key], dict) and not _holds_entities(named[key])}
    if has_named_sides(named) and not (box_key and _is_box(box)):
        drafts = [EntityDraft(*_texts(named, fields, name), [named])]
        used |= {key for key in named if key not in FIELD_OF_KEY or key == box_key}
    elif box_key and not _holds_entities(box):
        drafts = _read_box_list(named, fields, name)
        used |= {box_key, *_PLURALS}
    else:
        boxes = {
            str(key): item
            for key, item in value.items()
            if normalise_key(str(key)) not in FIELD_OF_KEY and _is_box(item)
        }
        drafts = _read_keyed_boxes(boxes, named, fields)
        used |= set(map(normalise_key, boxes))
    rest = [
        (item, str(key).strip() if _is_label(str(key)) else name)
        for key, item in value.items()
        if isinstance(item, dict | list | str) and normalise_key(str(key)) not in used | set(FIELD_NAMES["thoughts"])
    ]
    if not drafts and any(_texts(named, fields, "")):
        drafts = _without_box(named, fields, name)
    return drafts, rest


def _without_box(named: dict[str, Any], fields: dict[str, str], name: str) -> list[EntityDraft]:
    """What an object with a label or a description but no box stands for: an entity that counts as left out, or
    nothing when it only holds others."""
    coordinates = find_coordinate_names(named)
    others = [item for key, item in named.items() if key not in FIELD_OF_KEY and key not in coordinates]
    if any(isinstance(item, dict | list) for item in others):
        return []
    if coordinates:
        return [EntityDraft(*_texts(named, fields, name), [named])]
    label, description = (named.get(fields.get(of, "")) for of in ("label", "description"))
    if isinstance(label, str) and fields["label"] != "type" and not _holds_entities(description):
        return [EntityDraft(*_texts(named, fields, name))]
    return []


def _texts(named: dict[str, Any], fields: dict[str, str], name: str) -> tuple[str, str]:
    return to_text(named.get(fields.get("label", ""))) or name, to_text(named.get(fields.get("description", "")))


def _read_box_list(named: dict[str, Any], fields: dict[str, str], name: str) -> list[EntityDraft]:
    """The entities of an object with a box or a list of boxes, and as many labels and descriptions or one for all."""
    key = fields["box"]
    boxes = split_boxes(named[key])
    plurals = {_PLURALS[plural]: plural for plural in _PLURALS if plural in named}
    if len(boxes) == 1 and key in FIELD_NAMES["box_lists"]:
        # Of parallel lists that are longer, the first item belongs to the box.
        named = {name: item[0] if name in _PLURALS and _is_texts(item) else item for name, item in named.items()}
    labels = _spread_text(boxes, named.get(fields.get("label", plurals.get("label", ""))), name)
    texts = _spread_text(boxes, named.get(fields.get("description", plurals.get("description", ""))), "")
    if len(set(zip(labels, texts, strict=True))) == 1:
        return [EntityDraft(labels[0], texts[0], boxes, key)]
    return [EntityDraft(label, text, [box], key) for label, text, box in zip(labels, texts, boxes, strict=True)]


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, str) for part in value)


def _spread_text(boxes: list[object], value: Any, default: str) -> list[str]:
    """A text for each box: from a list of as many, or one for all of them."""
    if isinstance(value, list) and len(boxes) > 1 and len(value) > 1:
        if len(value) == len(boxes):
            return [to_text(part) or default for part in value]
        return [default] * len(boxes)
    return [to_text(value) or default] * len(boxes)


def _read_keyed_boxes(boxes: dict[str, Any], named: dict[str, Any], fields: dict[str, str]) -> list[EntityDraft]:
    """The entities of an object that has its boxes under other keys: labels, or names of boxes that are not known."""
    own, description = _texts(named, fields, "")
    return [
        EntityDraft(own or (key.strip() if _is_label(key) else ""), description, split_boxes(box))
        for key, box in boxes.items()
    ]


def _is_label(key: str) -> bool:
    """Whether a key may be what an entity is, and no name for a kind of content."""
    form = normalise_key(key)
    words = set(re.findall(r"[^\W\d_]+", form))
    if not words or key.startswith("<"):
        return False
    return form not in FIELD_OF_KEY and words.isdisjoint(FIELD_NAMES["containers"])


def _is_box(value: object) -> bool:
    """Whether a value under a key of any name is a box, or a list of them, beyond doubt."""
    if isinstance(value, dict):
        return has_named_sides(value)
    if isinstance(value, list | str) and value:
        return all(_is_four_numbers(box) or isinstance(parse_box(box), tuple) for box in split_boxes(value))
    return False


def _is_four_numbers(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(isinstance(part, int | float) for part in value)


def _holds_entities(value: object) -> bool:
    """Whether a field holds objects of its own, other than the corners of a box or texts by body part."""
    items = value if isinstance(value, list) and not has_named_sides(value) else []
    return any(isinstance(item, dict) and not has_named_sides(item) for item in items)
