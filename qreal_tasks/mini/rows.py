"""The rows of both configs, made from a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qreal_tasks.benchmark import ANSWERS, Dimension, is_flawed
from qreal_tasks.mini.drawing.scene import Box, draw_scene, png_bytes
from qreal_tasks.mini.plan import EntityPlan, ImagePlan
from qreal_tasks.mini.words import describe_entity, describe_parts, make_up_quality

Row = dict[str, Any]


@dataclass(frozen=True)
class DrawnRows:
    """One image as the dataset holds it: its ImageQA row, and an ObjectQA row for each of its entities."""

    split: str
    imageqa: Row
    objectqa: tuple[Row, ...]


def draw_rows(plan: ImagePlan) -> DrawnRows:
    """Draw one image and write down everything that is known about it."""
    scene = draw_scene(plan)
    height, width, _ = scene.pixels.shape
    shared = {
        "image_id": plan.image_id,
        "generator": plan.generator.name,
        "prompt_id": plan.prompt.prompt_id,
        "is_portrait": plan.is_portrait,
    }
    entities, crops = [], []
    for at, (entity, box) in enumerate(zip(plan.entities, scene.boxes_px, strict=True)):
        common = _common(f"{plan.image_id}#{at}", entity, box)
        x1, y1, x2, y2 = box
        crop = {"image": _image(png_bytes(scene.pixels[y1:y2, x1:x2])), "width": x2 - x1, "height": y2 - y1}
        crops.append({**shared, **common, **crop})
        entities.append({**common, **_imageqa_only(entity, plan.is_portrait)})
    image = {"image": _image(png_bytes(scene.pixels)), "width": width, "height": height}
    return DrawnRows(plan.split, {**shared, **image, "prompt": plan.prompt.text, "entities": entities}, tuple(crops))


def _image(png: bytes) -> Row:
    """An image as the datasets library embeds it."""
    return {"bytes": png, "path": None}


def _common(entity_id: str, entity: EntityPlan, box: Box) -> Row:
    """What both configs say about an entity."""
    return {
        "entity_id": entity_id,
        "label": entity.label,
        "bbox": [float(v) for v in box],
        "quality_score": make_up_quality(entity),
        **{name: ANSWERS.index(answer) for name, answer in entity.answers.items()},
        "realism_description": describe_entity(entity, Dimension.REALISM),
        "plausibility_description": describe_entity(entity, Dimension.PLAUSIBILITY),
    }


def _imageqa_only(entity: EntityPlan, is_portrait: bool) -> Row:
    """What only ImageQA says about an entity."""
    flawed = {f"{dimension}_flawed": is_flawed(dimension, entity.answers) for dimension in Dimension}
    return {**flawed, "parts": describe_parts(entity) if is_portrait else None}
