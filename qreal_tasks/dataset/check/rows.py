"""What is wrong with the values of a row, pictures and boxes apart, and where the two configs contradict each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES, Dimension, is_flawed, questions_of
from qreal_tasks.dataset.check.problem import RowFinding

Row = Mapping[str, Any]

_DESCRIPTIONS = tuple(f"{dimension}_description" for dimension in Dimension)
_MAY_BE_NULL = frozenset({"quality_score", "parts", "image", *_DESCRIPTIONS})
"""An image is looked at with the pictures, a missing description by the entity's flaws."""

_SHARED_WITH_IMAGE = ("generator", "prompt_id", "is_portrait")
_SHARED_WITH_ENTITY = ("label", "quality_score", *QUESTION_NAMES, *_DESCRIPTIONS)
"""Columns of objectqa that imageqa holds again; ``bbox`` is compared where it is checked."""


@dataclass
class Inventory:
    """What is met while reading, for the checks that need more than one row. Of ids that repeat, the first counts."""

    images: dict[str, Row] = field(default_factory=dict)
    image_splits: dict[str, str] = field(default_factory=dict)
    listed: dict[str, Row] = field(default_factory=dict)
    """Entities as imageqa lists them."""
    cropped: set[str] = field(default_factory=set)
    """Ids of the rows of objectqa."""
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)


def check_image_row(row: Row, split: str, inventory: Inventory) -> Iterator[RowFinding]:
    """What is wrong with a row of imageqa; it is entered into the inventory."""
    if row["image_id"] is not None:
        inventory.images.setdefault(row["image_id"], row)
        inventory.image_splits.setdefault(row["image_id"], split)
    nulls = nulls_of_image(row)
    yield from nulls
    if not nulls:
        yield from _check_identity("image", row["image_id"], inventory)
    for entity in filter(None, row["entities"] or ()):
        entity_id = entity["entity_id"]
        if entity_id is not None:
            inventory.listed.setdefault(entity_id, entity)
        if nulls:
            continue
        yield from _check_belongs(entity_id, row["image_id"])
        yield from _check_answers(entity, entity_id)
        yield from _check_flaws(entity, entity_id)
        if inventory.seen["listed entity", entity_id]:
            yield RowFinding(entity_id, "duplicate id", "entity_id appears twice in imageqa, expected once")
        inventory.seen["listed entity", entity_id] += 1


def check_entity_row(row: Row, split: str, inventory: Inventory) -> Iterator[RowFinding]:
    """What is wrong with a row of objectqa, once every row of imageqa is entered into the inventory."""
    entity_id, image_id = row["entity_id"], row["image_id"]
    inventory.cropped.add(entity_id)
    nulls = list(nulls_of(row, entity_id or "(no id)"))
    if nulls:
        yield from nulls
        return
    yield from _check_identity("entity", entity_id, inventory)
    yield from _check_belongs(entity_id, image_id)
    yield from _check_answers(row, entity_id)
    image, listed = inventory.images.get(image_id), inventory.listed.get(entity_id)
    if image is None:
        yield RowFinding(entity_id, "unknown image", f"image_id {image_id} is not in imageqa, expected one of its rows")
        return
    if inventory.image_splits[image_id] != split:
        yield RowFinding(entity_id, "split", f"is in {split} but its image is in {inventory.image_splits[image_id]}")
    yield from _check_same(row, image, _SHARED_WITH_IMAGE, f"image {image_id}")
    if listed is None:
        message = f"is not among the entities of image {image_id} in imageqa"
        yield RowFinding(entity_id, "unknown entity", message)
        return
    yield from _check_same(row, listed, _SHARED_WITH_ENTITY, "the entity")


def entities_without_crop(row: Row, split: str, inventory: Inventory) -> Iterator[RowFinding]:
    """Entities of a row of imageqa that objectqa lacks, once every row is entered into the inventory."""
    for entity in filter(None, row["entities"] or ()):
        if entity["entity_id"] is not None and entity["entity_id"] not in inventory.cropped:
            message = "has no row in objectqa, expected one with its crop"
            yield RowFinding(entity["entity_id"], "entity without crop", message)


def nulls_of(row: Row, item: str) -> Iterator[RowFinding]:
    """Fields that must hold something; a row that lacks one is not checked further."""
    for name, value in row.items():
        if value is None and name not in _MAY_BE_NULL:
            yield RowFinding(item, "null", f"{name} is null, expected a value")


def nulls_of_image(row: Row) -> list[RowFinding]:
    """Nulls of an image's row and of the entities it lists."""
    image_id = row["image_id"] or "(no id)"
    found = list(nulls_of(row, image_id))
    for index, entity in enumerate(row["entities"] or ()):
        item = (entity or {}).get("entity_id") or f"{image_id}, entity {index}"
        found += [RowFinding(item, "null", "the entity is null")] if entity is None else nulls_of(entity, item)
    return found


def _check_identity(what: str, item: str, inventory: Inventory) -> Iterator[RowFinding]:
    if not item:
        yield RowFinding("(no id)", "empty id", f"{what}_id is empty")
    inventory.seen[what, item] += 1
    if inventory.seen[what, item] == 2:
        yield RowFinding(item, "duplicate id", f"{what}_id appears twice, expected once over all splits")


def _check_belongs(entity_id: str, image_id: str) -> Iterator[RowFinding]:
    if entity_id.rpartition("#")[0] != image_id:
        message = f"is listed under image {image_id}, expected {image_id}#<index>"
        yield RowFinding(entity_id, "entity of another image", message)


def _check_answers(row: Row, item: str) -> Iterator[RowFinding]:
    for name in QUESTION_NAMES:
        if row[name] not in range(len(ANSWERS)):
            message = f"{name} is {row[name]}, expected 0 ({ANSWERS[0]}) or 1 ({ANSWERS[1]})"
            yield RowFinding(item, "answer", message)
    score = row["quality_score"]
    if score is not None and not 0 <= score <= 1:
        yield RowFinding(item, "quality_score", f"quality_score is {score:g}, expected 0 to 1 or null")
    if not (row["label"] or "").strip():
        yield RowFinding(item, "label", "label is empty, expected what the entity is")


def _check_flaws(entity: Row, item: str) -> Iterator[RowFinding]:
    """Flags against the answers by the flaw rule, and the description of what is flagged."""
    for dimension in Dimension:
        flagged = entity[f"{dimension}_flawed"]
        answers = {question.name: entity[question.name] for question in questions_of(dimension)}
        if all(answer in range(len(ANSWERS)) for answer in answers.values()):
            words = {name: ANSWERS[answer] for name, answer in answers.items()}
            if flagged != is_flawed(dimension, words):
                listing = ", ".join(f"{name} {answer}" for name, answer in words.items())
                message = f"{dimension}_flawed is {flagged}, expected {not flagged}: the answers are {listing}"
                yield RowFinding(item, "flag", message)
        if flagged and not (entity[f"{dimension}_description"] or "").strip():
            yield RowFinding(
                item,
                "description",
                f"is flawed in {dimension} but {dimension}_description is empty, expected what is wrong and why",
            )


def _check_same(row: Row, other: Row, names: tuple[str, ...], what: str) -> Iterator[RowFinding]:
    """Columns of a row of objectqa that imageqa holds again; a null that is reported already is passed over."""
    for name in names:
        here, there = row[name], other[name]
        if name in _DESCRIPTIONS:
            here, there = here or "", there or ""
        elif there is None and name not in _MAY_BE_NULL:
            continue
        if here != there and not (here != here and there != there):  # a NaN is reported elsewhere
            message = f"{name} is {_shown(here)} here and {_shown(there)} for {what} in imageqa, expected the same"
            yield RowFinding(row["entity_id"], "disagreement", message)


def _shown(value: object) -> str:
    """A value for a message: long texts are cut."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
