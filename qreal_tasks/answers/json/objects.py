"""Objects and rows of JSON as entities: fields by many names, parallel lists, labels as keys, named sides."""

from __future__ import annotations

import re
from typing import Any

from qreal_tasks.answers.entities.fields import FIELD_OF_KEY, Draft, is_named, read_box, split_boxes, text_of
from qreal_tasks.answers.entities.sides import coordinate_names, key_form
from qreal_tasks.answers.json.frames import Cut, Pieces
from qreal_tasks.answers.plain import listed

_PLURALS: dict[str, str] = {
    **dict.fromkeys(listed("labels names entities objects categories classes class_names titles"), "label"),
    **dict.fromkeys(listed("descriptions explanations texts comments"), "description"),
}
"""Lists with a text for each box, beside a list of boxes."""
_BOX_LISTS = ("bboxes", "boxes", "bounding_boxes")
_CONTAINERS = frozenset(
    listed(
        "entity entities object objects item items instance instances result results output outputs answer answers "
        "response data detection detections detected prediction predictions annotation annotations region regions flaw "
        "flaws flawed issue issues problem problems defect defects anomaly anomalies list boxes box bbox bboxes image "
        "images finding findings realism plausibility implausible unrealistic value values rect rectangle bounds area "
        "roi location"
    )
)
"""Words in keys that say what kind of thing follows and not which thing."""
_THOUGHTS = frozenset(listed("think thinking thought thoughts reasoning analysis reflection scratchpad"))

Rest = list[tuple[Any, str]]
"""Values that may hold entities, each with the label that the key above it gives."""


def of_row(item: list[Any]) -> Draft | None:
    """An entity written as a row: ["hand", [10, 20, 30, 40], "six fingers"]."""
    texts = [part for part in item if isinstance(part, str)]
    others = [part for part in item if not isinstance(part, str)]
    if isinstance(item, Cut) or not 1 <= len(texts) <= 2 or len(item) > 6:
        return None
    box = others[0] if len(others) == 1 and isinstance(others[0], list) else others
    if not _is_box(box):
        return None
    return Draft(texts[0].strip(), texts[1].strip() if len(texts) > 1 else "", [box])


def of_pieces(pieces: Pieces, name: str) -> tuple[list[Draft], Rest]:
    """The objects that one object with repeated keys stands for; the only label or description is for all of them."""
    parts = [of_object(piece, name) for piece in pieces if isinstance(piece, dict)]
    drafts = [draft for own, _ in parts for draft in own]
    with_box = [draft for draft in drafts if draft.boxes]
    for of in ("label", "description"):
        said = [getattr(draft, of) for draft in drafts if getattr(draft, of)]
        if len(said) == 1 and len(with_box) > 1:
            for draft in with_box:
                setattr(draft, of, said[0])
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


def of_object(value: dict[str, Any], name: str) -> tuple[list[Draft], Rest]:
    """The entities that this object is, and the values in it that may hold others.

    Args:
        name: the key under which the object stands, which is its label when it has none.
    """
    named = {key_form(str(key)): item for key, item in value.items()}
    fields: dict[str, str] = {}
    for key, field_name in FIELD_OF_KEY.items():
        if key in named:
            fields.setdefault(field_name, key)
    if name and fields.get("label") == "type":  # the key above says more: {"hand": {"type": "human"}}
        del fields["label"]
    if numbered := _numbered(named):
        return of_pieces(numbered, name)
    box_key = fields.get("box", "")
    box = named.get(box_key)
    if box == [] and box_key in _BOX_LISTS:
        return [], [([], name)]
    used = {key for key in fields.values() if not isinstance(named[key], dict) and not _holds_entities(named[key])}
    if is_named(named) and not (box_key and _is_box(box)):
        drafts = [Draft(*_texts(named, fields, name), [named])]
        used |= {key for key in named if key not in FIELD_OF_KEY or key == box_key}
    elif box_key and not _holds_entities(box):
        drafts = _of_box_list(named, fields, name)
        used |= {box_key, *_PLURALS}
    else:
        boxes = {
            str(key): item for key, item in value.items() if key_form(str(key)) not in FIELD_OF_KEY and _is_box(item)
        }
        drafts = _of_keys(boxes, named, fields)
        used |= set(map(key_form, boxes))
    rest = [
        (item, str(key).strip() if _is_label(str(key)) else name)
        for key, item in value.items()
        if isinstance(item, dict | list | str) and key_form(str(key)) not in used | _THOUGHTS
    ]
    if not drafts and any(_texts(named, fields, "")):
        drafts = _without_box(named, fields, name)
    return drafts, rest


def _without_box(named: dict[str, Any], fields: dict[str, str], name: str) -> list[Draft]:
    """What an object with a label or a description but no box stands for: an entity that counts as left out, or
    nothing when it only holds others."""
    coordinates = coordinate_names(named)
    others = [item for key, item in named.items() if key not in FIELD_OF_KEY and key not in coordinates]
    if any(isinstance(item, dict | list) for item in others):
        return []
    if coordinates:
        return [Draft(*_texts(named, fields, name), [named])]
    label, description = (named.get(fields.get(of, "")) for of in ("label", "description"))
    if isinstance(label, str) and fields["label"] != "type" and not _holds_entities(description):
        return [Draft(*_texts(named, fields, name))]
    return []


def _texts(named: dict[str, Any], fields: dict[str, str], name: str) -> tuple[str, str]:
    return text_of(named.get(fields.get("label", ""))) or name, text_of(named.get(fields.get("description", "")))


def _of_box_list(named: dict[str, Any], fields: dict[str, str], name: str) -> list[Draft]:
    """The entities of an object with a box or a list of boxes, and as many labels and descriptions or one for all."""
    key = fields["box"]
    boxes = split_boxes(named[key])
    plurals = {_PLURALS[plural]: plural for plural in _PLURALS if plural in named}
    if len(boxes) == 1 and key in _BOX_LISTS:  # of parallel lists that are longer, the first one is the box's
        named = {name: item[0] if name in _PLURALS and _is_texts(item) else item for name, item in named.items()}
    labels = _for_each(boxes, named.get(fields.get("label", plurals.get("label", ""))), name)
    texts = _for_each(boxes, named.get(fields.get("description", plurals.get("description", ""))), "")
    if len(set(zip(labels, texts, strict=True))) == 1:
        return [Draft(labels[0], texts[0], boxes, key)]
    return [Draft(label, text, [box], key) for label, text, box in zip(labels, texts, boxes, strict=True)]


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, str) for part in value)


def _for_each(boxes: list[object], value: Any, default: str) -> list[str]:
    """A text for each box: from a list of as many, or one for all of them."""
    if isinstance(value, list) and len(boxes) > 1 and len(value) > 1:
        if len(value) == len(boxes):
            return [text_of(part) or default for part in value]
        return [default] * len(boxes)
    return [text_of(value) or default] * len(boxes)


def _of_keys(boxes: dict[str, Any], named: dict[str, Any], fields: dict[str, str]) -> list[Draft]:
    """The entities of an object that has its boxes under other keys: labels, or names of boxes that are not known."""
    own, description = _texts(named, fields, "")
    return [
        Draft(own or (key.strip() if _is_label(key) else ""), description, split_boxes(box))
        for key, box in boxes.items()
    ]


def _is_label(key: str) -> bool:
    """Whether a key may be what an entity is, and no name for a kind of content."""
    form = key_form(key)
    words = re.findall(r"[^\W\d_]+", form)
    return bool(words) and form not in FIELD_OF_KEY and not key.startswith("<") and _CONTAINERS.isdisjoint(words)


def _is_box(value: object) -> bool:
    """Whether a value under a key of any name is a box, or a list of them, beyond doubt."""
    if isinstance(value, dict):
        return is_named(value)
    if isinstance(value, list | str) and value:
        return all(_is_four_numbers(box) or isinstance(read_box(box), tuple) for box in split_boxes(value))
    return False


def _is_four_numbers(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(isinstance(part, int | float) for part in value)


def _holds_entities(value: object) -> bool:
    """Whether a field holds objects of its own, other than the corners of a box or texts by body part."""
    items = value if isinstance(value, list) and not is_named(value) else []
    return any(isinstance(item, dict) and not is_named(item) for item in items)
