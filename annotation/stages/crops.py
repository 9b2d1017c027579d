"""What the stages on single entities share: the entities of a shard with their boxes, and the two views of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from annotation.config import PictureSettings
from annotation.llm.request import Shown
from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.gallery import Gallery, pixel_box
from annotation.run.schemas import State


@dataclass(frozen=True)
class DetectedEntity:
    """A detected entity in its image."""

    entity_id: str
    picture: AcceptedImage
    label: str
    is_person: bool
    box_px: tuple[float, ...]


@dataclass(frozen=True)
class ShardEntities:
    """A shard's entities, and what was found of no use before."""

    entities: list[DetectedEntity]
    rows: list[dict[str, Any]]
    """Of stage detection, all of them."""
    gallery: Gallery


def load_entities(run: RunFolder, shard: int) -> ShardEntities:
    """The entities of a shard that have a box."""
    pictures = {picture.image_id: picture for picture in run.pictures(shard)}
    rows = run.read("detection", shard)
    entities = [
        DetectedEntity(row["entity_id"], pictures[row["image_id"]], row["label"], row["is_person"], tuple(row["bbox"]))
        for row in rows
        if row["state"] == State.DONE
    ]
    return ShardEntities(entities, rows, Gallery(list(pictures.values())))


def show_entity(entity: DetectedEntity, gallery: Gallery, pictures: PictureSettings) -> tuple[Shown, Shown]:
    """The crop, then the whole image with a frame around the entity."""
    image_id, box, whole = entity.picture.image_id, entity.box_px, (entity.picture.width, entity.picture.height)
    return (
        show_crop(entity, gallery, pictures),
        Shown(
            {"image": image_id, "frame": _box(box, whole)}, whole, pictures.whole, lambda: gallery.framed(image_id, box)
        ),
    )


def show_crop(entity: DetectedEntity, gallery: Gallery, pictures: PictureSettings) -> Shown:
    """The crop alone."""
    image_id, box = entity.picture.image_id, entity.box_px
    x1, y1, x2, y2 = cut = _box(box, (entity.picture.width, entity.picture.height))
    size = (x2 - x1, y2 - y1)
    return Shown({"image": image_id, "crop": cut}, size, pictures.crop, lambda: gallery.crop(image_id, box))


def _box(box_px: Sequence[float], size: tuple[int, int]) -> list[int]:
    """Whole pixels: what is shown does not depend on the last digits of a detector."""
    return list(pixel_box(box_px, *size))
