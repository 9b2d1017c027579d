"""Row by row, what is wrong with a dataset, and what it holds."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasets import Dataset, Image
from PIL import Image as PillowImage

from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES, Dimension
from qreal_tasks.dataset import CONFIGS, SPLITS, DatasetError, Source, load

ROUNDING_PX = 1.0
"""How far a box may reach outside its image: float32 and a box rounded outwards."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what was found, what was expected."""

    config: str
    split: str
    row: int
    item: str
    """The row's id, or the entity's where the row holds several."""
    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.config}/{self.split} row {self.row}, {self.item}: {self.message}"


@dataclass
class Inventory:
    """What is met while reading, for the checks that need more than one row."""

    image_sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    image_splits: dict[str, str] = field(default_factory=dict)
    prompt_splits: dict[str, str] = field(default_factory=dict)
    entities: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)


def check(source: Source, splits: Sequence[str] = SPLITS) -> list[Problem]:
    """Read every row of the named splits and list what is wrong, in the order of the files.

    Raises:
        DatasetError: a split cannot be loaded at all, or its columns are not those of the schema.
    """
    inventory = Inventory()
    problems: list[Problem] = []
    # Images first: an entity's box is checked against the size of its image.
    for config in reversed(CONFIGS):
        for split in splits:
            dataset = load(source, config, split).cast_column("image", Image(decode=False))
            row_check = _check_image_row if config == "imageqa" else _check_entity_row
            for number, row in enumerate(dataset):
                for item, kind, message in row_check(row, split, inventory):
                    problems.append(Problem(config, split, number, item, kind, message))
    return problems


_Finding = tuple[str, str, str]
"""Item, kind, message."""

_MAY_BE_NULL = frozenset({"quality_score", "parts", "realism_description", "plausibility_description", "image"})
"""An image is looked at by ``_check_picture``, a missing description by the entity's flaws."""


def _check_nulls(row: Mapping[str, Any], item: str) -> Iterator[_Finding]:
    """Fields that must hold something; a row that lacks one is not checked further."""
    for name, value in row.items():
        if value is None and name not in _MAY_BE_NULL:
            yield item, "null", f"{name} is null, expected a value"


def _nulls_of_image(row: Mapping[str, Any]) -> list[_Finding]:
    """Nulls of an image's row and of the entities it lists."""
    image_id = row["image_id"] or "(no id)"
    found = list(_check_nulls(row, image_id))
    for index, entity in enumerate(row["entities"] or ()):
        item = (entity or {}).get("entity_id") or f"{image_id}, entity {index}"
        found += [(item, "null", "the entity is null")] if entity is None else _check_nulls(entity, item)
    return found


def _check_image_row(row: Mapping[str, Any], split: str, inventory: Inventory) -> Iterator[_Finding]:
    nulls = _nulls_of_image(row)
    if nulls:
        yield from nulls
        return
    image_id = row["image_id"]
    yield from _check_identity("image", image_id, split, row["prompt_id"], inventory)
    yield from _check_picture(row, image_id)
    width, height = row["width"], row["height"]
    inventory.image_sizes[image_id] = (width, height)
    inventory.image_splits[image_id] = split
    for entity in row["entities"]:
        entity_id = entity["entity_id"]
        yield from _check_belongs(entity_id, image_id)
        yield from _check_box(entity["bbox"], width, height, entity_id)
        yield from _check_answers(entity, entity_id)
        for dimension in Dimension:
            if entity[f"{dimension}_flawed"] and not (entity[f"{dimension}_description"] or "").strip():
                yield (
                    entity_id,
                    "description",
                    f"is flawed in {dimension} but {dimension}_description is empty, expected what is wrong and why",
                )
        if inventory.seen[("listed entity", entity_id)]:
            yield entity_id, "duplicate id", "entity_id appears twice in imageqa, expected once"
        inventory.seen[("listed entity", entity_id)] += 1
        inventory.entities[entity_id] = entity


def _check_entity_row(row: Mapping[str, Any], split: str, inventory: Inventory) -> Iterator[_Finding]:
    nulls = list(_check_nulls(row, row["entity_id"] or "(no id)"))
    if nulls:
        yield from nulls
        return
    entity_id, image_id = row["entity_id"], row["image_id"]
    yield from _check_identity("entity", entity_id, split, row["prompt_id"], inventory)
    yield from _check_picture(row, entity_id)
    yield from _check_belongs(entity_id, image_id)
    yield from _check_answers(row, entity_id)
    if image_id not in inventory.image_sizes:
        yield entity_id, "unknown image", f"image_id {image_id} is not in imageqa, expected one of its rows"
        return
    if inventory.image_splits[image_id] != split:
        yield entity_id, "split", f"is in {split} but its image is in {inventory.image_splits[image_id]}"
    yield from _check_box(row["bbox"], *inventory.image_sizes[image_id], entity_id)
    listed = inventory.entities.get(entity_id)
    if listed is None:
        yield entity_id, "unknown entity", f"is not among the entities of image {image_id} in imageqa"
        return
    for name in ("label", "bbox", *QUESTION_NAMES):
        if listed[name] != row[name]:
            yield entity_id, "disagreement", f"{name} is {row[name]} here and {listed[name]} in imageqa"


def _check_identity(what: str, item: str, split: str, prompt_id: str, inventory: Inventory) -> Iterator[_Finding]:
    if not item:
        yield "(no id)", "empty id", f"{what}_id is empty"
    inventory.seen[(what, item)] += 1
    if inventory.seen[(what, item)] == 2:
        yield item, "duplicate id", f"{what}_id appears twice, expected once over all splits"
    other = inventory.prompt_splits.setdefault(prompt_id, split)
    if other != split and not inventory.seen[("leaked prompt", prompt_id)]:
        inventory.seen[("leaked prompt", prompt_id)] += 1
        yield (
            item,
            "prompt in both splits",
            f"prompt {prompt_id} is in {other} and in {split}; split by prompt, so that no model is tested on a "
            "prompt it was trained on",
        )


def _check_picture(row: Mapping[str, Any], item: str) -> Iterator[_Finding]:
    stored = row["image"]
    content = stored and stored["bytes"]
    if content is None and stored and stored["path"]:
        try:
            with open(stored["path"], "rb") as file:
                content = file.read()
        except OSError as error:
            yield item, "image", f"image file cannot be read: {error}"
            return
    if not content:
        yield item, "image", "image is null, expected the encoded picture"
        return
    try:
        with PillowImage.open(io.BytesIO(content)) as picture:
            picture.load()
            size = picture.size
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error …
        yield (
            item,
            "image",
            f"image cannot be decoded ({len(content)} bytes): {type(error).__name__}: {error}",
        )
        return
    if size != (row["width"], row["height"]):
        yield (
            item,
            "size",
            f"image is {size[0]} x {size[1]} px but width and height say {row['width']} x {row['height']}",
        )


def _check_belongs(entity_id: str, image_id: str) -> Iterator[_Finding]:
    if entity_id.rpartition("#")[0] != image_id:
        yield (
            entity_id,
            "entity of another image",
            f"is listed under image {image_id}, expected {image_id}#<index>",
        )


def _check_box(box: Sequence[float] | None, width: int, height: int, item: str) -> Iterator[_Finding]:
    if box is None or len(box) != 4 or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in box):
        yield item, "box", f"bbox is {box}, expected four finite numbers x1 y1 x2 y2"
        return
    x1, y1, x2, y2 = box
    if x1 >= x2 or y1 >= y2:
        yield item, "box", f"bbox {_short(box)} has no area, expected x1 < x2 and y1 < y2"
    elif min(x1, y1) < -ROUNDING_PX or x2 > width + ROUNDING_PX or y2 > height + ROUNDING_PX:
        yield item, "box", f"bbox {_short(box)} reaches outside its image of {width} x {height} px"


def _check_answers(row: Mapping[str, Any], item: str) -> Iterator[_Finding]:
    for name in QUESTION_NAMES:
        if row[name] not in range(len(ANSWERS)):
            yield item, "answer", f"{name} is {row[name]}, expected 0 ({ANSWERS[0]}) or 1 ({ANSWERS[1]})"
    score = row["quality_score"]
    if score is not None and not 0 <= score <= 1:
        yield item, "quality_score", f"quality_score is {score:g}, expected 0 to 1 or null"
    if not (row["label"] or "").strip():
        yield item, "label", "label is empty, expected what the entity is"


def _short(box: Sequence[float]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"


@dataclass(frozen=True)
class Info:
    """What a split holds, counted as in section 3.2 of the paper."""

    split: str
    images: int
    prompts: int
    entities: int
    portraits: int
    with_parts: int
    """Images of the human-plausibility set: portraits with an entity that has body-part descriptions."""
    flawed_images: dict[str, int]
    """Per dimension, images with at least one flawed entity."""
    yes_share: dict[str, float]
    """Per question."""
    generators: dict[str, int]
    """Images per generator."""


def info(source: Source, split: str) -> Info:
    """Count what a split holds, without decoding images.

    Raises:
        DatasetError: the split cannot be loaded, or lacks values that are counted.
    """
    images: Dataset = load(source, "imageqa", split).remove_columns("image")
    rows = list(images)
    for number, row in enumerate(rows):
        for item, _, message in _nulls_of_image(row):
            raise DatasetError(
                f"{source.name}, imageqa/{split} row {number}, {item}: {message}; see `qreal data check`"
            )
    entities = [entity for row in rows for entity in row["entities"]]
    if not entities:
        raise DatasetError(f"{source.name}, split {split}: no image has an entity")
    return Info(
        split=split,
        images=len(rows),
        prompts=len({row["prompt_id"] for row in rows}),
        entities=len(entities),
        portraits=sum(row["is_portrait"] for row in rows),
        with_parts=sum(row["is_portrait"] and any(has_parts(e) for e in row["entities"]) for row in rows),
        flawed_images={str(d): sum(any(e[f"{d}_flawed"] for e in row["entities"]) for row in rows) for d in Dimension},
        yes_share={name: sum(ANSWERS[e[name]] == "Yes" for e in entities) / len(entities) for name in QUESTION_NAMES},
        generators=dict(sorted(Counter(row["generator"] for row in rows).items())),
    )


def has_parts(entity: Mapping[str, Any]) -> bool:
    """Whether the entity went through the portrait protocol. A null struct may come back as a struct of nulls."""
    parts = entity["parts"]
    return parts is not None and any(text is not None for text in parts.values())
