"""Values that the agent's three models hand to each other: pictures with their questions, entities with their crops."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from qreal_tasks.answers import Box, parse_entities, reorder_box
from qreal_tasks.benchmark import Answer
from qreal_tasks.boxes import Space, clip_to_image, pixel_box, to_pixels
from qreal_tasks.images import as_rgb
from qreal_tasks.models.local.batching import shorten_error
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.store import hash_picture
from qreal_tasks.subtasks import describe_prompt, detect_prompt, filter_prompt, question_of_imageqa

DESCRIPTION_TOKENS = 256
"""At most, of one description."""

UNNAMED = "entity"
"""Stands in a question for a label that the detecting model left out."""

_CHOICES = (str(Answer.YES), str(Answer.NO))


@dataclass
class SearchedPicture:
    """One picture in one box space, and where what was asked about it stands."""

    image: Image.Image
    space: Space
    places: dict[str, list[int]] = field(default_factory=dict)
    """Positions of the requests, by set."""
    max_new_tokens: int = 0
    """The most that any of them allows."""

    @property
    def all_places(self) -> list[int]:
        """Positions of all the requests."""
        return [place for places in self.places.values() for place in places]

    def detection(self) -> Request:
        """What detect is asked."""
        text = detect_prompt(self.space, *self.image.size)
        return Request(self.image, text, max_new_tokens=self.max_new_tokens)


@dataclass(frozen=True)
class DetectedEntity:
    """An entity that was detected."""

    box: Box
    """The box as the model wrote it, in the space it was asked for and its order of corners."""
    label: str
    crop: Image.Image

    @property
    def name(self) -> str:
        """The label as a question names it."""
        return self.label or UNNAMED


@dataclass(frozen=True)
class DetectedEntities:
    """All entities that were detected in a picture."""

    entities: tuple[DetectedEntity, ...]
    dropped: int
    """Entities left out: no box, none that is one, or one without area inside the picture."""
    truncated: bool
    """The text ends inside an entity or a list."""


@dataclass(frozen=True)
class EntitySearch:
    """One set asked of one picture, and the entities that are left of it."""

    set_name: str
    places: Sequence[int]
    """Positions of the requests."""
    entities: Sequence[DetectedEntity]
    input_size: tuple[int, int] | None
    """Size of the picture as it was fed to the detecting model."""

    def filtering(self) -> list[Request]:
        """What filter is asked, for every entity."""
        return [Request(e.crop, filter_prompt(self.set_name, e.name), _CHOICES) for e in self.entities]

    def describing(self) -> list[Request]:
        """What describe is asked, for every entity."""
        return [
            Request(e.crop, describe_prompt(self.set_name, e.name), max_new_tokens=DESCRIPTION_TOKENS)
            for e in self.entities
        ]

    def answered(self, descriptions: Sequence[str]) -> Iterator[tuple[int, Response]]:
        """The response to each request, with one description for every entity."""
        text = format_entities(list(zip(self.entities, descriptions, strict=True)))
        for place in self.places:
            yield place, Response(text, input_size=self.input_size)


@dataclass(frozen=True)
class SortedRequests:
    """Requests by picture, and the places of those whose picture cannot be read, with the reason."""

    pictures: list[SearchedPicture]
    unreadable: dict[int, str]


def group_by_picture(requests: Mapping[int, Request]) -> SortedRequests:
    """Requests about the same pixels, in the same space, together.

    Args:
        requests: by their place in what was asked.

    Raises:
        ValueError: a request has choices, or its text is no ImageQA prompt.
    """
    asked = {place: _question(request) for place, request in requests.items()}
    digests: dict[int, str] = {}
    pictures: dict[tuple[str, Space], SearchedPicture] = {}
    unreadable: dict[int, str] = {}
    for place, request in requests.items():
        try:
            digest = digests.get(id(request.image)) or hash_picture(request.image)
        except Exception as error:  # decoders raise whatever a damaged file makes them meet
            unreadable[place] = f"unreadable picture: {shorten_error(error)}"
            continue
        digests[id(request.image)] = digest
        set_name, space = asked[place]
        picture = pictures.setdefault((digest, space), SearchedPicture(request.image, space))
        picture.places.setdefault(set_name, []).append(place)
        picture.max_new_tokens = max(picture.max_new_tokens, request.max_new_tokens)
    return SortedRequests(list(pictures.values()), unreadable)


def crop_entities(picture: SearchedPicture, response: Response) -> DetectedEntities:
    """The entities of a detecting model's answer, each with its crop.

    Crops are cut as the dataset's are: from the picture itself, without padding, clamped to it. A box between pixels
    is widened to whole ones, so that a crop has at least one.

    Raises:
        ValueError: nothing can be read from the answer, or its boxes cannot be placed.
        OSError: the picture cannot be decoded.
    """
    answer = parse_entities(response.text)
    if answer.reason is not None:
        raise ValueError(str(answer.reason))
    image = as_rgb(picture.image)
    boxes = [reorder_box(entity, picture.space) for entity in answer.entities]
    boxes_px = to_pixels(boxes, picture.space, *image.size, response.input_size)
    clipped = clip_to_image(boxes_px, *image.size)
    entities = [
        DetectedEntity(box, entity.label, image.crop(pixel_box(box_px, *image.size)))
        for entity, box, box_px, inside in zip(
            answer.entities, boxes, clipped.boxes_px.tolist(), clipped.has_area.tolist(), strict=True
        )
        if inside
    ]
    outside = len(answer.entities) - len(entities)
    return DetectedEntities(tuple(entities), sum(answer.dropped.values()) + outside, answer.truncated)


def format_entities(described: Sequence[tuple[DetectedEntity, str]]) -> str:
    """Entities and their descriptions as ``imageqa_prompt`` asks for them.

    >>> dog = DetectedEntity((1.0, 2.0, 3.5, 4.0), "dog", Image.new("RGB", (3, 2)))
    >>> format_entities([(dog, "It has <five> legs.")])
    '[{"bbox_2d": [1, 2, 3.5, 4], "label": "dog", "description": "It has <five> legs."}]'
    """
    rows = [
        {
            "bbox_2d": [int(value) if value.is_integer() else value for value in entity.box],
            "label": entity.label,
            "description": description,
        }
        for entity, description in described
    ]
    return json.dumps(rows)


def _question(request: Request) -> tuple[str, Space]:
    if request.choices:
        raise ValueError(
            "the agent answers ImageQA, which has no choices: ask ObjectQA's questions of one model (qreal_hf); "
            f"found choices {', '.join(request.choices)} for {request.text[:80]!r}"
        )
    found = question_of_imageqa(request.text, *request.image.size)
    return found.set_name, found.space
