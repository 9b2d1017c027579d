"""Stages ``imageqa`` and ``objectqa``: complete drafts in the shape of the dataset's rows."""

from __future__ import annotations

import io

import pyarrow as pa

from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.gallery import Gallery
from annotation.run.schemas import DESCRIPTIONS, Row, State
from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES, Dimension, is_flawed
from qreal_tasks.dataset.schema import FEATURES
from qreal_tasks.shards import parquet_files as shards

_SHARED = ("entity_id", "image_id", "label", "bbox", "generator", "prompt_id", "is_portrait", "quality_score")


def write_imageqa(run: RunFolder, shard: int) -> None:
    """Write a row for each image with at least one complete entity. The picture is the file that came in."""
    complete = load_complete_drafts(run, shard)
    rows = [
        make_image_row(image, [_with_descriptions(draft) for draft in complete[image.image_id]])
        for image in run.pictures(shard)
        if image.image_id in complete
    ]
    _write(run, "imageqa", shard, rows)


def write_objectqa(run: RunFolder, shard: int) -> None:
    """Write a row for each complete entity, with its crop as lossless PNG."""
    complete = load_complete_drafts(run, shard)
    images = run.pictures(shard)
    gallery = Gallery(images)
    drafts = (draft for image in images for draft in complete.get(image.image_id, []))
    rows = [make_entity_row(_with_descriptions(draft), gallery) for draft in drafts]
    _write(run, "objectqa", shard, rows)


def make_image_row(picture: AcceptedImage, entities: list[Row]) -> Row:
    """The row of an image in ``imageqa``.

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
        "entities": [_entity_in_image(entity) for entity in entities],
    }


def make_entity_row(entity: Row, gallery: Gallery) -> Row:
    """The row of an entity in ``objectqa``; the crop is cut without loss.

    Args:
        entity: as ``make_image_row`` takes it.
    """
    crop = gallery.crop(entity["image_id"], entity["bbox"])
    out = io.BytesIO()
    crop.save(out, "PNG")
    return {
        **{name: entity[name] for name in _SHARED},
        "image": {"bytes": out.getvalue(), "path": None},
        "width": crop.width,
        "height": crop.height,
        **_answers(entity),
        **{name: entity[name] for name in DESCRIPTIONS},
    }


def load_complete_drafts(run: RunFolder, shard: int) -> dict[str, list[Row]]:
    """Read the drafts for which every stage was done, by image."""
    found: dict[str, list[Row]] = {}
    for row in run.read("drafts", shard):
        if row["entity_id"] is not None and row["stage"] == "judgment" and row["state"] == State.DONE:
            found.setdefault(row["image_id"], []).append(row)
    return found


def _with_descriptions(draft: Row) -> Row:
    return {**draft, **choose_drafted_descriptions(draft)}


def _entity_in_image(entity: Row) -> Row:
    return {
        **{name: entity[name] for name in ("entity_id", "label", "bbox", "quality_score")},
        **_answers(entity),
        **{f"{dimension}_flawed": is_flawed(dimension, entity) for dimension in Dimension},
        **{name: entity[name] for name in DESCRIPTIONS},
        "parts": entity["parts"],
    }


def _answers(draft: Row) -> Row:
    return {name: ANSWERS.index(draft[name]) for name in QUESTION_NAMES}


def choose_drafted_descriptions(draft: Row) -> Row:
    """Both descriptions of a draft; for a person with a flaw the one merged of the body parts, which says more."""
    merged = draft["merged_description"] if is_flawed(Dimension.PLAUSIBILITY, draft) else None
    return {
        "realism_description": draft["realism_description"],
        "plausibility_description": merged or draft["plausibility_description"],
    }


def _write(run: RunFolder, stage: str, shard: int, rows: list[Row]) -> None:
    table = pa.Table.from_pylist(rows, schema=FEATURES[stage].arrow_schema)
    shards.write_table(run.shard_path(stage, shard), table, run.recipe(stage))
