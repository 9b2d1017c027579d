"""Stage ``detection``: a box for every entity that was named. A row an entity; numbers are given here, for good.

An entity is a box. A name with several boxes is several entities, a name without one is an undetected entity; all of
them are numbered, in the order of the names, before any is dropped.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from annotation.config import DetectionSettings
from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.gallery import Gallery
from annotation.run.schemas import State

if TYPE_CHECKING:
    from annotation.local_models.detector import DetectionResult, Detector


def detect_entities(run: RunFolder, shard: int) -> list[dict[str, Any]]:
    """The entities of every image of a shard."""
    from annotation.local_models.detector import DetectionQuery

    pictures = {picture.image_id: picture for picture in run.pictures(shard)}
    gallery = Gallery(list(pictures.values()))
    named = [row for row in run.read("entities", shard) if row["entities"]]
    if not named:
        return []
    detector = _detector(run.config.detection)
    wanted = [
        DetectionQuery(
            _decoder(gallery, row["image_id"]),
            _size(pictures[row["image_id"]]),
            [entity["name"] for entity in row["entities"]],
        )
        for row in named
    ]
    return [
        entity
        for row, found in zip(named, detector.find(wanted), strict=True)
        for entity in _entities(row, found, detector.name)
    ]


@lru_cache(maxsize=1)
def _detector(settings: DetectionSettings) -> Detector:
    """One a process, loaded for its first shard."""
    from annotation.local_models.detector import Detector

    return Detector(settings)


def _decoder(gallery: Gallery, image_id: str) -> Any:
    return lambda: gallery.whole(image_id)


def _size(picture: AcceptedImage) -> tuple[int, int]:
    return picture.width, picture.height


def _entities(row: dict[str, Any], found: DetectionResult, detector: str) -> list[dict[str, Any]]:
    entities: list[dict[str, Any]] = []
    for place, named in enumerate(row["entities"]):
        shared = {"image_id": row["image_id"], "label": named["name"], "is_person": named["is_person"]}
        boxes = [box for box in found.boxes if box.phrase == place]
        for box in boxes:
            entities.append(
                {
                    **shared,
                    "state": str(State.DONE),
                    "reason": "",
                    "bbox": list(box.box_px),
                    "detection_score": box.score,
                    "detection_pass": 2 if place in found.second_pass else 1,
                }
            )
        if not boxes:
            nothing = dict.fromkeys(("bbox", "detection_score", "detection_pass"))
            reason = (
                "the detector's vocabulary holds none of its words"
                if place in found.unknown
                else "no box reached the threshold, also when looked for alone, or another name fits its boxes better"
            )
            entities.append({**shared, "state": str(State.UNDETECTED), "reason": reason, **nothing})
    image_id = row["image_id"]
    return [
        {"entity_id": f"{image_id}#{index}", **entity, "detector": detector} for index, entity in enumerate(entities)
    ]
