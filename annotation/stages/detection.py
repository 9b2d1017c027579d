"""Stage ``detection``: a box for every entity that was named. A row an entity; numbers are given here, for good.

An entity is a box. A name with several boxes is several entities, a name without one is an undetected entity; all of
them are numbered, in the order of the names, before any is dropped.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

from annotation.run.folder import RunFolder
from annotation.run.gallery import Gallery
from annotation.run.schemas import Row, State
from qreal_tasks.models.detector.settings import DetectionSettings

if TYPE_CHECKING:
    from qreal_tasks.models.detector.grounding_dino import DetectionResult, Detector


def detect_entities(run: RunFolder, shard: int) -> list[Row]:
    """Look for the named entities of every image of a shard."""
    from qreal_tasks.models.detector.grounding_dino import DetectionQuery

    images = {image.image_id: image for image in run.pictures(shard)}
    gallery = Gallery(list(images.values()))
    named = [row for row in run.read("entities", shard) if row["entities"]]
    if not named:
        return []
    detector = _load_detector(run.config.detection)
    queries = [
        DetectionQuery(
            partial(gallery.whole, row["image_id"]),
            (images[row["image_id"]].width, images[row["image_id"]].height),
            [entity["name"] for entity in row["entities"]],
        )
        for row in named
    ]
    results = detector.find(queries)
    return [row for named_row, found in zip(named, results, strict=True) for row in _rows(named_row, found, detector)]


@lru_cache(maxsize=1)
def _load_detector(settings: DetectionSettings) -> Detector:
    """Load the model of this process, for its first shard."""
    from qreal_tasks.models.detector.grounding_dino import Detector

    return Detector(settings)


def _rows(row: Row, found: DetectionResult, detector: Detector) -> list[Row]:
    """The entities of one image: a row a box, or one row for a name without a box."""
    image_id = row["image_id"]
    entities: list[Row] = []
    for place, named in enumerate(row["entities"]):
        shared = {"image_id": image_id, "label": named["name"], "is_person": named["is_person"]}
        boxes = [box for box in found.boxes if box.phrase == place]
        done = {"state": str(State.DONE), "reason": "", "detection_pass": 2 if place in found.second_pass else 1}
        entities += [{**shared, **done, "bbox": list(box.box_px), "detection_score": box.score} for box in boxes]
        if not boxes:
            reason = (
                "the detector's vocabulary holds none of its words"
                if place in found.unknown
                else "no box reached the threshold, also when looked for alone, or another name fits its boxes better"
            )
            nothing = dict.fromkeys(("bbox", "detection_score", "detection_pass"))
            entities.append({**shared, "state": str(State.UNDETECTED), "reason": reason, **nothing})
    return [
        {"entity_id": f"{image_id}#{index}", **entity, "detector": detector.name}
        for index, entity in enumerate(entities)
    ]
