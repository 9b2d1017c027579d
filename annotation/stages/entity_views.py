"""The detected entities of a shard, and the two views of each that models are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annotation.config import PictureSettings
from annotation.llm.request import Shown
from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.gallery import Gallery
from annotation.run.schemas import State
from qreal_tasks.boxes import pixel_box


@dataclass(frozen=True)
class EntityInImage:
    """A detected entity in its image."""

    entity_id: str
    image: AcceptedImage
    label: str
    is_person: bool
    box_px: tuple[float, ...]


@dataclass(frozen=True)
class ShardEntities:
    """The detected entities of a shard, and its pictures."""

    entities: list[EntityInImage]
    gallery: Gallery


def load_entities(run: RunFolder, shard: int) -> ShardEntities:
    """Read the entities of a shard that have a box."""
    images = {image.image_id: image for image in run.pictures(shard)}
    entities = [
        EntityInImage(row["entity_id"], images[row["image_id"]], row["label"], row["is_person"], tuple(row["bbox"]))
        for row in run.read("detection", shard)
        if row["state"] == State.DONE
    ]
    return ShardEntities(entities, Gallery(list(images.values())))


def show_entity(entity: EntityInImage, gallery: Gallery, pictures: PictureSettings) -> tuple[Shown, Shown]:
    """Two pictures of a request: the crop, then the whole image with a frame around the entity."""
    image_id, box, size = entity.image.image_id, entity.box_px, (entity.image.width, entity.image.height)
    identity = {"image": image_id, "frame": _whole_pixels(box, size)}
    framed = Shown(identity, size, pictures.whole, lambda: gallery.framed(image_id, box))
    return show_crop(entity, gallery, pictures), framed


def show_crop(entity: EntityInImage, gallery: Gallery, pictures: PictureSettings) -> Shown:
    """A picture of a request: the crop alone."""
    image_id, box = entity.image.image_id, entity.box_px
    x1, y1, x2, y2 = cut = _whole_pixels(box, (entity.image.width, entity.image.height))
    size = (x2 - x1, y2 - y1)
    return Shown({"image": image_id, "crop": cut}, size, pictures.crop, lambda: gallery.crop(image_id, box))


def _whole_pixels(box_px: Sequence[float], size: tuple[int, int]) -> list[int]:
    """The box in whole pixels, so that what is shown does not depend on the last digits of a detector."""
    return list(pixel_box(box_px, *size))
