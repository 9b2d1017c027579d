"""The script of the demonstration's language model: the planted truth, with mistakes.

The annotation asks ``ANNOTATOR``, ``qreal eval`` asks ``EXAMINEE``. Both know a picture by its pixels and never look at
the wording of what they are asked, but for the six questions of the benchmark. Who errs where follows from names alone
(``errs``), so that every run gives the same answers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from annotation.demo.scenes import Box, PlantedEntity, Scene, locate_crop
from annotation.llm.replies import LEVELS
from annotation.stages.quality import WEIGHTS
from qreal_tasks.benchmark import BODY_PARTS, IMAGEQA_SETS, QUESTIONS, Answer, Dimension, imageqa_query, is_flawed
from qreal_tasks.llm.scripted_server import Asked, Reply, completion, error

ANNOTATOR, EXAMINEE = "scripted-annotator", "scripted-examinee"
ERROR_RATES = {ANNOTATOR: 0.1, EXAMINEE: 0.2}
"""Share of answers that are wrong."""
ABSENT = "bird"
"""Named in some pictures, and drawn in none."""
ABSENT_RATE = 0.2
P_ANSWER = 0.8
"""Probability of the word that the examinee says."""

_FINE = "Nothing is wrong with the {label}."
_ODD = "Something about the {label} does not look right."
_BY_PARTS = frozenset(BODY_PARTS)


def errs(who: str, about: str, rate: float) -> bool:
    """Whether somebody is wrong about something; the same each time it is asked."""
    drawn = int.from_bytes(hashlib.sha256(f"{who}/{about}".encode()).digest()[:8])
    return drawn < rate * 2**64


def answers_by(who: str, planted: PlantedEntity, rate: float) -> dict[str, str]:
    """The six answers of somebody who is wrong about some of them."""
    return {
        name: _negate(answer) if errs(who, f"{planted.entity_id}/{name}", rate) else answer
        for name, answer in planted.answers.items()
    }


def describe_flaws(planted: PlantedEntity, answers: Mapping[str, str]) -> dict[str, str]:
    """Describe each dimension to suit the answers: by the true text where they judge as the truth does."""
    return {
        dimension: planted.descriptions[dimension]
        if is_flawed(dimension, answers) == is_flawed(dimension, planted.answers)
        else (_ODD if is_flawed(dimension, answers) else _FINE).format(label=planted.label)
        for dimension in Dimension
    }


def make_script(scenes: Sequence[Scene]) -> Callable[[Asked], Reply]:
    """Make the function that answers requests about these scenes and crops of them."""

    def answer(asked: Asked) -> Reply:
        try:
            if asked.body["model"] == EXAMINEE:
                return _examine(asked, scenes)
            return _annotate(asked, scenes)
        except LookupError as unknown:
            return error(400, f"the scripted model knows the demonstration's scenes alone: {unknown}")

    return answer


def _annotate(asked: Asked, scenes: Sequence[Scene]) -> Reply:
    """An answer in the form that is asked for; the quality is a word, all else is JSON."""
    form = asked.body.get("response_format")
    if form is None:
        return _grade(_find_entity(asked, scenes))
    stage = form["json_schema"]["name"].removesuffix("Reply").lower()
    if stage == "entities":
        reply = _name_entities(_find_shown(asked, scenes)[0])
    elif stage == "judgment":
        planted = _find_entity(asked, scenes)
        answers = answers_by(ANNOTATOR, planted, ERROR_RATES[ANNOTATOR])
        reply = {**answers, **{f"{name}_description": text for name, text in describe_flaws(planted, answers).items()}}
    elif stage == "parts":
        reply = dict(_find_entity(asked, scenes).parts)
    elif stage == "merge":
        reply = {"plausibility_description": " ".join(_find_parts(asked.text))}
    elif stage == "combine":
        reply = {"description": max(_find_texts(asked.text), key=len)}
    else:
        raise LookupError(f"no answer is scripted for the form {form['json_schema']['name']!r}")
    return completion(json.dumps(reply))


def _examine(asked: Asked, scenes: Sequence[Scene]) -> Reply:
    """Yes or No with its probability to a question about a crop, a list of flawed entities about a whole picture."""
    for question in QUESTIONS:
        if question.text in asked.text:
            answer = answers_by(EXAMINEE, _find_entity(asked, scenes), ERROR_RATES[EXAMINEE])[question.name]
            return completion(answer, {answer: P_ANSWER, _negate(answer): 1 - P_ANSWER})
    for name in IMAGEQA_SETS:
        if imageqa_query(name) in asked.text:
            return completion(json.dumps(list(_list_flawed(_find_shown(asked, scenes)[0], name))))
    raise LookupError("no question of the benchmark is asked")


def _list_flawed(scene: Scene, name: str) -> Iterator[dict[str, Any]]:
    """The flawed entities of a picture as the examinee sees them, with boxes from 0 to 1000."""
    dimension = Dimension.REALISM if name == "realism" else Dimension.PLAUSIBILITY
    height, width, _ = scene.pixels.shape
    for planted in scene.entities:
        answers = answers_by(EXAMINEE, planted, ERROR_RATES[EXAMINEE])
        if is_flawed(dimension, answers):
            box = np.divide(planted.box_px, (width, height, width, height)) * 1000
            text = describe_flaws(planted, answers)[dimension]
            yield {"bbox_2d": box.round().astype(int).tolist(), "label": planted.label, "description": text}


def _name_entities(scene: Scene) -> dict[str, Any]:
    """The entities of a picture; in some, one that is not there."""
    named = [{"name": one.label, "is_person": one.is_person} for one in scene.entities]
    if names_absent(scene):
        named.append({"name": ABSENT, "is_person": False})
    return {"entities": named}


def names_absent(scene: Scene) -> bool:
    """Whether the annotator names what is not there."""
    return errs(ANNOTATOR, f"{scene.entities[0].entity_id}/entities", ABSENT_RATE)


def _grade(planted: PlantedEntity) -> Reply:
    """The two levels around the planted quality, likely so that their mean is just that."""
    above = max(place for place, weight in enumerate(WEIGHTS[:-1]) if weight >= planted.quality)
    share = (planted.quality - WEIGHTS[above + 1]) / (WEIGHTS[above] - WEIGHTS[above + 1])
    likely = {LEVELS[above]: share, LEVELS[above + 1]: 1 - share}
    return completion(max(likely, key=lambda level: likely[level]), likely)


def _find_entity(asked: Asked, scenes: Sequence[Scene]) -> PlantedEntity:
    """What a crop shows: the drawn entity that it overlaps most."""
    scene, box = _find_shown(asked, scenes)
    planted = scene.at(box, least_iou=0.0)
    assert planted is not None
    return planted


def _find_shown(asked: Asked, scenes: Sequence[Scene]) -> tuple[Scene, Box]:
    """The smallest picture of the request that is a scene or a part of one."""
    found = [place for image in asked.images if (place := locate_crop(np.asarray(image.convert("RGB")), scenes))]
    if not found:
        raise LookupError("none of the pictures is one of them, or they were not sent lossless")
    return min(found, key=lambda place: (place[1][2] - place[1][0]) * (place[1][3] - place[1][1]))


def _find_parts(text: str) -> list[str]:
    """The remarks on body parts, which the request holds as a JSON object."""
    for value in _parse_values(text, "{"):
        if isinstance(value, dict) and value.keys() & _BY_PARTS:
            return [remark for remark in value.values() if isinstance(remark, str)]
    raise LookupError("the remarks on body parts are not in the request")


def _find_texts(text: str) -> list[str]:
    """Several people's texts, which the request holds as a JSON list."""
    for value in _parse_values(text, "["):
        if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            return value
    raise LookupError("the texts to be combined are not in the request")


def _parse_values(text: str, opening: str) -> Iterator[Any]:
    """Every JSON value in a text that begins with that bracket."""
    for match in re.finditer(re.escape(opening), text):
        try:
            yield json.JSONDecoder().raw_decode(text, match.start())[0]
        except ValueError:
            continue


def _negate(answer: str) -> str:
    return str(Answer.NO if answer == Answer.YES else Answer.YES)
