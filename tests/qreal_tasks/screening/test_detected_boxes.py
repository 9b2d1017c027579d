"""Boxes of a detector for what a model names: paired by name and place, and found in drawn scenes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from PIL import Image
from scripted_screening import AnsweringEngine, answer

from qreal_tasks.api.asking import Model
from qreal_tasks.api.findings import Box
from qreal_tasks.api.questions import Entity
from qreal_tasks.boxes import iou_matrix
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.screening.asking import AskingSettings, PictureAsker, identify_asking
from qreal_tasks.screening.detected_boxes import give_boxes

LEFT: Box = (0, 0, 10, 10)
RIGHT: Box = (50, 0, 60, 10)
FAR: Box = (80, 80, 90, 90)


def _dog(box: Box, label: str = "Dog.", told: str = "odd") -> Entity:
    return Entity(label, box, {"realism": told}, ("realism",))


@pytest.mark.parametrize(
    ("entities", "boxes", "expected"),
    [
        pytest.param([_dog(LEFT)], {"dog": [(1, 0, 11, 10)]}, [((1, 0, 11, 10), True)], id="moved"),
        pytest.param([_dog(LEFT)], {"dog": [FAR]}, [(FAR, True)], id="moved far, since there is no other of that name"),
        pytest.param([_dog(LEFT), _dog(RIGHT)], {"dog": [RIGHT, LEFT]}, [(LEFT, True), (RIGHT, True)], id="by overlap"),
        pytest.param([_dog(LEFT)], {"dog": [FAR, LEFT]}, [(LEFT, True), (FAR, False)], id="one more is found"),
        pytest.param([_dog(LEFT), _dog(RIGHT)], {"dog": [RIGHT]}, [(LEFT, True), (RIGHT, True)], id="one has none"),
        pytest.param([_dog(LEFT, label="")], {}, [(LEFT, True)], id="without a name"),
        pytest.param([], {}, [], id="nothing"),
    ],
)
def test_boxes_are_given_by_name_and_place(
    entities: list[Entity], boxes: dict[str, list[Box]], expected: list[tuple[Box, bool]]
) -> None:
    """With each box, whether the entity has what was told of it."""
    found = list(give_boxes(entities, boxes))
    assert [(one.box_px, bool(one.descriptions)) for one in found] == expected
    assert all(("detector" in one.found_by) is any(one.box_px in some for some in boxes.values()) for one in found)


@pytest.mark.slow
def test_what_a_model_names_is_found_in_drawn_scenes() -> None:
    """The model names what is drawn and points at a corner; at least half is found where it is, and its crop judged."""
    from annotation.demo.scenes import load_demo_scenes
    from annotation.demo.walkthrough import demo_config

    scene = max(load_demo_scenes(), key=lambda one: len(one.entities))
    picture = Image.fromarray(scene.pixels)
    labels = [one.label for one in scene.entities]

    def names(request: Request) -> Response:
        if request.choices:
            return answer(request)
        named: list[dict[str, Any]] = [{"bbox_2d": [0, 0, 20 + at, 20], "label": one} for at, one in enumerate(labels)]
        return Response(json.dumps(named if "Find every entity" in request.text else []))

    asking = AskingSettings(model="m", detector=demo_config("http://127.0.0.1:9/v1").detection)
    [found] = PictureAsker(asking, Model(AnsweringEngine(names))).ask([picture])
    boxes = [one.box_px for one in found.entities]
    overlap = iou_matrix([one.box_px for one in scene.entities], boxes).max(axis=1)
    print(f"IoU of {len(labels)} drawn entities with what was found: {overlap.round(2).tolist()}")
    assert (overlap > 0.5).mean() >= 0.5
    assert any("detector" in one.found_by for one in found.entities)
    identity = identify_asking(asking, Model(AnsweringEngine()))["detector"]
    assert set(identity) >= {"content", "threshold"}
