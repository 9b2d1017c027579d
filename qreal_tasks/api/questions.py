"""The questions about pictures of one's own: the benchmark's prompts, and its readers of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qreal_tasks.answers import read_declared_marks
from qreal_tasks.api.findings import Box, EntityFindings, ImageAnswer, PictureFindings, QuestionAnswer
from qreal_tasks.api.pictures import NamedPicture
from qreal_tasks.benchmark import (
    ANSWERS,
    IMAGEQA_SETS,
    QUESTION_NAMES,
    Style,
    frame_of,
    imageqa_prompt,
    objectqa_prompt,
    task_of,
)
from qreal_tasks.boxes import Space, clip_to_image, pixel_box
from qreal_tasks.leaf_tasks import answer_length
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.records import Region
from qreal_tasks.samples import ModelAnswer, read_judgment, read_regions
from qreal_tasks.subtasks import detect_prompt

GIVEN = "given"
DETECT = "detect"
_EXAMPLE = '("dog", (12, 30, 200, 180))'
_CHOICES = tuple(reversed(ANSWERS))
"""In the order of the tasks' ``score_choices``."""

AnswerAll = Callable[[Sequence[Request]], Sequence[Response]]
"""A model: one response for every request, in their order."""


@dataclass(frozen=True)
class Entity:
    """An entity to ask the six questions about."""

    label: str
    box_px: Box
    descriptions: Mapping[str, str]
    found_by: tuple[str, ...]


Relocate = Callable[[Sequence[NamedPicture], Sequence[Sequence[Entity]]], Sequence[Sequence[Entity]]]
"""What finds better boxes for the entities of pictures."""


@dataclass(frozen=True)
class Plan:
    """What is asked about whole pictures, and in whose words."""

    names: tuple[str, ...]
    """ImageQA sets, and ``DETECT`` for all entities, flawed or not; the boxes of the first that finds one count."""
    style: Style
    space: Space

    def request(self, name: str, picture: NamedPicture) -> Request:
        """One question about a whole picture."""
        size = picture.image.size
        if name == DETECT:
            return Request(picture.image, detect_prompt(self.space, *size), max_new_tokens=self._length("realism"))
        text = imageqa_prompt(name, self.space, *size, frame_of(self.style, name))
        return Request(picture.image, text, max_new_tokens=self._length(name))

    def requests_about(self, entity: Entity, picture: NamedPicture) -> Iterator[Request]:
        """The six questions about the crop of an entity, cut as the dataset's are: all pixels that the box touches."""
        crop = picture.image.crop(pixel_box(entity.box_px, *picture.image.size))
        for name in QUESTION_NAMES:
            text = objectqa_prompt(name, frame_of(self.style, name))
            yield Request(crop, text, _CHOICES, self._length(name))

    def _length(self, name: str) -> int:
        return answer_length(task_of(self.style, name))


def make_plan(sets: Sequence[str], detect: bool, style: str, space: Space) -> Plan:
    """What ``Model.ask`` asks about whole pictures.

    Raises:
        ValueError: a set or a style is not known.
    """
    unknown = [name for name in sets if name not in IMAGEQA_SETS]
    if isinstance(sets, str) or unknown:
        raise ValueError(f"sets is {sets!r}, expected some of {', '.join(IMAGEQA_SETS)} in a tuple")
    names = (*([DETECT] if detect else []), *dict.fromkeys(sets))
    return Plan(tuple(names), Style(style), space)


def ask_pictures(
    pictures: Sequence[NamedPicture],
    given: Sequence[Sequence[Entity] | None],
    plan: Plan,
    answer: AnswerAll,
    relocate: Relocate | None = None,
) -> list[PictureFindings]:
    """Ask about all pictures at once: first for the entities of those that have none given, then the six questions.

    Args:
        given: for every picture its entities, or None when the model shall find them.
        relocate: finds better boxes for the entities, before the six questions are asked about their crops.
    """
    asked = [picture for picture, entities in zip(pictures, given, strict=True) if entities is None]
    whole = answer([plan.request(name, picture) for picture in asked for name in plan.names])
    remaining = iter(whole)
    about_images: list[dict[str, ImageAnswer]] = []
    entities: list[Sequence[Entity]] = []
    for picture, own in zip(pictures, given, strict=True):
        if own is not None:
            about_images.append({})
            entities.append(own)
            continue
        answers = {name: _read_image(next(remaining), plan.space, picture) for name in plan.names}
        about_images.append(answers)
        entities.append(merge_entities({name: one.regions for name, one in answers.items()}))
    if relocate is not None:
        entities = list(relocate(pictures, entities))
    shown = list(zip(pictures, entities, strict=True))
    crops = [request for picture, some in shown for one in some for request in plan.requests_about(one, picture)]
    judged = iter(answer(crops))
    return [
        PictureFindings(picture.name, picture.image, tuple(_with_answers(one, judged) for one in some), about)
        for (picture, some), about in zip(shown, about_images, strict=True)
    ]


def merge_entities(found: Mapping[str, Sequence[Region]]) -> list[Entity]:
    """Regions of several answers as entities: what overlaps with IoU over .5 is one, with the box of the first answer.

    Pairs are those of the benchmark's matching; the regions of one answer stay apart.
    """
    from qreal_tasks.metrics.description import IOU_THRESHOLD
    from qreal_tasks.metrics.matching import match

    entities: list[Entity] = []
    for name, regions in found.items():
        pairs = match(regions, [Region(one.label, one.box_px, "") for one in entities])
        same = {pair.pred: pair.gt for pair in pairs if pair.iou > IOU_THRESHOLD}
        for place, region in enumerate(regions):
            told = {name: region.description} if region.description else {}
            if place in same:
                old = entities[same[place]]
                label, by = old.label or region.label, (*old.found_by, name)
                entities[same[place]] = Entity(label, old.box_px, {**old.descriptions, **told}, by)
            else:
                entities.append(Entity(region.label, region.bbox_px, told, (name,)))
    return entities


def read_given(pictures: Sequence[NamedPicture], given: Sequence[Any]) -> list[list[Entity] | None]:
    """The entities that a user gives for each picture, as pairs of label and box in pixels; None where there are none.

    Raises:
        ValueError: one is no such pair, or its box has no area inside the picture; says which.
    """
    found: list[list[Entity] | None] = []
    for picture, some in zip(pictures, given, strict=True):
        if not (some is None or (isinstance(some, Sequence) and not isinstance(some, str))):
            raise ValueError(f"{picture.name}: entities is {some!r:.60}, expected a list of pairs such as {_EXAMPLE}")
        found.append(None if some is None else [_entity(picture, at, one) for at, one in enumerate(some, start=1)])
    return found


def _entity(picture: NamedPicture, number: int, given: Any) -> Entity:
    where = f"{picture.name}, entity {number}"
    try:
        label, box = given
        [corners] = np.asarray([box], dtype=np.float64).reshape(1, 4).tolist()
        if not isinstance(label, str) or not np.isfinite(corners).all():
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {given!r:.80}, expected label and box in pixels, such as {_EXAMPLE}") from None
    clipped = clip_to_image([corners], *picture.image.size)
    if not clipped.has_area.all():
        size, shown = " x ".join(map(str, picture.image.size)), ", ".join(f"{value:g}" for value in corners)
        raise ValueError(
            f"{where} ({label}): box {shown} has no area inside the picture of {size} pixels; expected x1 < x2 and "
            "y1 < y2 in pixels"
        )
    left, top, right, bottom = clipped.boxes_px[0].tolist()
    return Entity(label, (left, top, right, bottom), {}, (GIVEN,))


def _model_answer(response: Response) -> ModelAnswer:
    return ModelAnswer.from_response(response.text, response.beside())


def _read_image(response: Response, space: Space, picture: NamedPicture) -> ImageAnswer:
    answer = _model_answer(response)
    read = read_regions(answer, space, picture.image.size, read_declared_marks())
    return ImageAnswer(read.regions, read.reason, read.dropped, answer.input_size, answer.text)


def _with_answers(entity: Entity, responses: Iterator[Response]) -> EntityFindings:
    answers = {}
    for name in QUESTION_NAMES:
        answer = _model_answer(next(responses))
        read = read_judgment(answer, read_declared_marks())
        answers[name] = QuestionAnswer(read.answer, answer.p_yes, read.reason, answer.mass, answer.text)
    return EntityFindings(entity.label, entity.box_px, answers, entity.descriptions, entity.found_by)
