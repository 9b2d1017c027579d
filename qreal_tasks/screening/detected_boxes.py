"""Boxes of a detector in the place of those that a model writes: many models name well and point badly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qreal_tasks.api.questions import Entity
from qreal_tasks.metrics.matching import match
from qreal_tasks.models.detector.phrases import clean_name
from qreal_tasks.models.detector.settings import DetectionSettings
from qreal_tasks.records import Region

if TYPE_CHECKING:
    from PIL import Image

    from qreal_tasks.api.findings import Box
    from qreal_tasks.api.pictures import NamedPicture

DETECTOR = "detector"
"""In ``found_by`` of an entity whose box is the detector's."""


class DetectedBoxes:
    """A detector that stays loaded.

    Raises:
        LocalModelError: there is no such model.
    """

    def __init__(self, settings: DetectionSettings) -> None:
        from qreal_tasks.models.detector.grounding_dino import Detector

        self._detector = Detector(settings)

    def relocate(
        self, pictures: Sequence[NamedPicture], entities: Sequence[Sequence[Entity]]
    ) -> Sequence[Sequence[Entity]]:
        """Look for the names of each picture's entities, and give them the boxes that are found.

        Entities and boxes of one name are paired so that they overlap most. A further box is a further entity; an
        entity for which there is no box keeps its own.
        """
        from qreal_tasks.models.detector.grounding_dino import DetectionQuery

        names = [list(dict.fromkeys(filter(None, (clean_name(one.label) for one in some)))) for some in entities]
        asked = [at for at, some in enumerate(names) if some]
        images = [pictures[at].image for at in asked]
        queries = [
            DetectionQuery(_always(image), image.size, names[at]) for at, image in zip(asked, images, strict=True)
        ]
        boxes: list[dict[str, list[Box]]] = [{} for _ in pictures]
        for at, found in zip(asked, self._detector.find(queries) if queries else [], strict=True):
            for box in found.boxes:
                boxes[at].setdefault(names[at][box.phrase], []).append(box.box_px)
        return [list(give_boxes(some, own)) for some, own in zip(entities, boxes, strict=True)]


def give_boxes(entities: Sequence[Entity], boxes: dict[str, list[Box]]) -> Iterator[Entity]:
    """The entities of a picture with the boxes that were found for their names, then what else was found."""
    moved: dict[int, Entity] = {}
    further: list[Entity] = []
    for name, found in boxes.items():
        places = [at for at, one in enumerate(entities) if clean_name(one.label) == name]
        own = [Region("", entities[at].box_px, "") for at in places]
        pairs = {pair.gt: places[pair.pred] for pair in match(own, [Region("", box, "") for box in found])}
        for number, box in enumerate(found):
            if number in pairs:
                one = entities[pairs[number]]
                moved[pairs[number]] = replace(one, box_px=box, found_by=(*one.found_by, DETECTOR))
            else:
                further.append(Entity(name, box, {}, (DETECTOR,)))
    yield from (moved.get(at, one) for at, one in enumerate(entities))
    yield from further


def _always(image: Image.Image) -> Callable[[], Image.Image]:
    return lambda: image
