"""Stages ``imageqa`` and ``objectqa``: complete drafts in the shape of the dataset's rows."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa

from annotation.run import shards
from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.gallery import Gallery
from annotation.run.schemas import State
from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES, Dimension, is_flawed
from qreal_tasks.dataset.source import FEATURES

_SHARED = ("entity_id", "image_id", "label", "bbox", "generator", "prompt_id", "is_portrait", "quality_score")
_DESCRIPTIONS = tuple(f"{dimension}_description" for dimension in Dimension)
Row = dict[str, Any]


def write_imageqa(run: RunFolder, shard: int) -> None:
    """A row an image with at least one complete entity. The picture is the file that came in."""
    complete = load_complete_drafts(run, shard)
    rows = [
        make_image_row(picture, [_described(draft) for draft in complete[picture.image_id]])
        for picture in run.pictures(shard)
        if picture.image_id in complete
    ]
    _write(run, "imageqa", shard, rows)


def write_objectqa(run: RunFolder, shard: int) -> None:
    """A row a complete entity, with its crop as lossless PNG."""
    complete = load_complete_drafts(run, shard)
    pictures = run.pictures(shard)
    gallery = Gallery(pictures)
    rows = [
        make_entity_row(_described(draft), gallery)
        for picture in pictures
        for draft in complete.get(picture.image_id, [])
    ]
    _write(run, "objectqa", shard, rows)


def make_image_row(picture: AcceptedImage, entities: list[Row]) -> Row:
    """A row of ``imageqa``.

    Args:
        entities: at least one; rows of drafts, with the descriptions that the dataset holds.
    """
    return {
        "image_id": picture.image_id,
        "image": {"bytes": picture.content, "path": None},
        "width": picture.width,
        "height": picture.height,
        "generator": picture.generator,
        "prompt_id": picture.prompt_id,
        "prompt": picture.prompt,
        "is_portrait": entities[0]["is_portrait"],
        "entities": [_listed(entity) for entity in entities],
    }


def make_entity_row(entity: Row, gallery: Gallery) -> Row:
    """A row of ``objectqa``, of a row as ``make_image_row`` takes it; the crop is cut without loss."""
    crop = gallery.crop(entity["image_id"], entity["bbox"])
    out = io.BytesIO()
    crop.save(out, "PNG")
    return {
        **{name: entity[name] for name in _SHARED},
        "image": {"bytes": out.getvalue(), "path": None},
        "width": crop.width,
        "height": crop.height,
        **_answers(entity),
        **{name: entity[name] for name in _DESCRIPTIONS},
    }


def load_complete_drafts(run: RunFolder, shard: int) -> dict[str, list[Row]]:
    """Drafts that every stage was done for, by image."""
    found: dict[str, list[Row]] = {}
    for row in run.read("drafts", shard):
        if row["entity_id"] is not None and row["stage"] == "judgment" and row["state"] == State.DONE:
            found.setdefault(row["image_id"], []).append(row)
    return found


def _described(draft: Row) -> Row:
    return {**draft, **choose_drafted_descriptions(draft)}


def _listed(entity: Row) -> Row:
    return {
        **{name: entity[name] for name in ("entity_id", "label", "bbox", "quality_score")},
        **_answers(entity),
        **{f"{dimension}_flawed": is_flawed(dimension, entity) for dimension in Dimension},
        **{name: entity[name] for name in _DESCRIPTIONS},
        "parts": entity["parts"],
    }


def _answers(draft: Row) -> Row:
    return {name: ANSWERS.index(draft[name]) for name in QUESTION_NAMES}


def choose_drafted_descriptions(draft: Row) -> Row:
    """Of a person with a flaw the merged description of its parts; it says more than the draft of the whole."""
    merged = draft["merged_description"] if is_flawed(Dimension.PLAUSIBILITY, draft) else None
    return {
        "realism_description": draft["realism_description"],
        "plausibility_description": merged or draft["plausibility_description"],
    }


def _write(run: RunFolder, stage: str, shard: int, rows: list[Row]) -> None:
    table = pa.Table.from_pylist(rows, schema=FEATURES[stage].arrow_schema)
    shards.write_table(run.shard_path(stage, shard), table, run.recipe(stage))
