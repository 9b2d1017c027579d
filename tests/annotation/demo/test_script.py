"""The scripted model: what it knows pictures by, what it says, and where it errs."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from annotation.demo import script
from annotation.demo.scenes import SCENES, Scene, load_demo_scenes, locate_crop
from annotation.demo.script import ABSENT, ANNOTATOR, ERROR_RATES, EXAMINEE, P_ANSWER, answers_by, errs, make_script
from annotation.llm.outcome import read_outcome
from annotation.llm.replies import Form
from annotation.run.schemas import State
from annotation.stages.quality import mean_level
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES, Dimension, imageqa_prompt, is_flawed, objectqa_prompt
from qreal_tasks.boxes import Space, iou_matrix
from qreal_tasks.llm.scripted_server import Asked


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return load_demo_scenes()


def url(pixels: Any, file_format: str = "PNG") -> dict[str, Any]:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, file_format)
    return {"type": "image_url", "image_url": {"url": "data:;base64," + base64.b64encode(out.getvalue()).decode()}}


def request(form: str | None, *parts: Any, text: str = "", model: str = ANNOTATOR) -> Asked:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}],
    }
    if form is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": form}}
    return Asked(0, body)


def crop_of(scene: Scene, place: int = 0) -> Any:
    x1, y1, x2, y2 = map(int, scene.entities[place].box_px)
    return scene.pixels[y1:y2, x1:x2]


def result(reply: Any) -> Any:
    assert reply.status == 200, reply.body
    return json.loads(reply.body["choices"][0]["message"]["content"])


def test_the_scenes_are_of_many_generators_and_prompts(scenes: list[Scene]) -> None:
    assert len(scenes) == SCENES
    assert len({scene.prompt for scene in scenes}) == SCENES  # the set is split by prompt
    assert len({scene.generator for scene in scenes}) >= 8
    people = [one for scene in scenes for one in scene.entities if one.is_person]
    assert len(people) >= 4
    assert any(text for one in people for text in one.parts.values())


def test_every_entity_is_located_by_its_pixels_alone(scenes: list[Scene]) -> None:
    for scene in scenes:
        for place, entity in enumerate(scene.entities):
            found = locate_crop(crop_of(scene, place), scenes)
            assert found is not None
            assert found[0] is scene
            assert found[1] == entity.box_px


@pytest.mark.parametrize(
    "pixels",
    [np.full((20, 20, 3), 7, np.uint8), np.zeros((400, 20, 3), np.uint8), np.zeros((20, 400, 3), np.uint8)],
    ids=["of no scene", "too high", "too wide"],
)
def test_what_is_of_no_scene_is_not_located(scenes: list[Scene], pixels: Any) -> None:
    assert locate_crop(pixels, scenes) is None


def test_a_crop_that_is_a_bit_off_is_still_of_that_entity(scenes: list[Scene]) -> None:
    scene = next(one for one in scenes if len(one.entities) > 1)
    x1, y1, x2, y2 = map(int, scene.entities[1].box_px)
    off = scene.pixels[y1 + 3 : y2, x1 + 4 : x2 - 2]
    reply = make_script(scenes)(request("JudgmentReply", url(off)))
    expected = answers_by(ANNOTATOR, scene.entities[1], ERROR_RATES[ANNOTATOR])
    assert {name: result(reply)[name] for name in QUESTION_NAMES} == expected


def test_answers_do_not_depend_on_the_wording_nor_on_lossy_pictures_beside(scenes: list[Scene]) -> None:
    answer, crop = make_script(scenes), url(crop_of(scenes[0]))
    framed = url(scenes[0].pixels, "JPEG")
    replies = [
        answer(request("JudgmentReply", crop, framed, text="Judge this.")),
        answer(request("JudgmentReply", framed, crop, text="Quite other words, and {braces} [1, 2].")),
    ]
    assert result(replies[0]) == result(replies[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "form"), [("entities", "EntitiesReply"), ("judgment", "JudgmentReply"), ("parts", "PartsReply")]
)
def test_every_answer_about_every_entity_passes_the_form_of_its_stage(
    scenes: list[Scene], stage: str, form: str
) -> None:
    answer = make_script(scenes)
    for scene in scenes:
        crops = [scene.pixels] if stage == "entities" else [crop_of(scene, at) for at in range(len(scene.entities))]
        for crop in crops:
            found = read_outcome(answer(request(form, url(crop))).body, Form(stage, 100))
            assert found.state is State.DONE, found.reason


def test_the_mean_level_is_the_planted_quality(scenes: list[Scene]) -> None:
    answer = make_script(scenes)
    for scene in scenes:
        for place, entity in enumerate(scene.entities):
            found = read_outcome(answer(request(None, url(crop_of(scene, place)))).body, Form("quality", 8))
            assert mean_level(found.said) == pytest.approx(entity.quality, abs=1e-9)


def test_texts_to_merge_and_to_combine_are_taken_from_the_request() -> None:
    answer = make_script([])
    parts = {BODY_PARTS[1]: "Six fingers.", BODY_PARTS[4]: "Two left shoes."}
    merged = answer(request("MergeReply", text=f"Remarks (as {{JSON}}): {json.dumps(parts)} Thanks."))
    assert result(merged) == {"plausibility_description": "Six fingers. Two left shoes."}
    texts = ["Odd.", "The left hand has six fingers."]
    combined = answer(request("CombineReply", text=f'Entity "man" [1]: {json.dumps(texts)}'))
    assert result(combined) == {"description": texts[1]}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (request("NovelReply"), "no answer is scripted for the form 'NovelReply'"),
        (request("JudgmentReply", url(np.zeros((9, 9, 3), np.uint8))), "none of the pictures is one of them"),
        (request("JudgmentReply"), "none of the pictures is one of them"),
        (request("MergeReply", text="nothing"), "remarks on body parts are not in the request"),
        (request("CombineReply", text="nothing"), "texts to be combined are not in the request"),
        (request(None, text="How old is she?", model=EXAMINEE), "no question of the benchmark"),
    ],
    ids=["form", "picture", "no picture", "merge", "combine", "question"],
)
def test_what_is_not_scripted_is_refused_with_the_reason(asked: Asked, message: str) -> None:
    reply = make_script([])(asked)
    assert reply.status == 400
    assert isinstance(reply.body, dict)
    assert message in reply.body["error"]["message"]


@pytest.mark.slow
def test_the_examinee_answers_the_benchmark_in_both_forms(scenes: list[Scene]) -> None:
    answer, wrong = make_script(scenes), 0
    for scene in scenes:
        for place, entity in enumerate(scene.entities):
            for name in QUESTION_NAMES:
                reply = answer(request(None, url(crop_of(scene, place)), text=objectqa_prompt(name), model=EXAMINEE))
                assert isinstance(reply.body, dict)
                choice = reply.body["choices"][0]
                wrong += choice["message"]["content"] != entity.answers[name]
                assert np.exp(choice["logprobs"]["content"][0]["logprob"]) == pytest.approx(P_ANSWER)
        height, width, _ = scene.pixels.shape
        for name in Dimension:
            asked = request(
                None, url(scene.pixels), text=imageqa_prompt(name, Space.NORM1000, width, height), model=EXAMINEE
            )
            for found in result(answer(asked)):
                planted = next(one for one in scene.entities if one.label == found["label"])
                box = np.multiply(found["bbox_2d"], [width, height, width, height]) / 1000
                assert iou_matrix([box], [planted.box_px])[0, 0] > 0.95
    assert 0 < wrong < 6 * sum(len(scene.entities) for scene in scenes) / 2


def test_errors_come_as_often_as_said_and_the_same_each_time() -> None:
    drawn = [errs("somebody", str(number), 0.1) for number in range(4000)]
    assert drawn == [errs("somebody", str(number), 0.1) for number in range(4000)]
    assert np.mean(drawn) == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 4000))
    assert not any(errs("somebody", str(number), 0.0) for number in range(100))


def test_some_pictures_are_said_to_hold_what_is_drawn_in_none(scenes: list[Scene]) -> None:
    named = [result(make_script(scenes)(request("EntitiesReply", url(scene.pixels))))["entities"] for scene in scenes]
    labels = {one.label for scene in scenes for one in scene.entities}
    assert ABSENT not in labels
    assert 0 < sum(ABSENT in [one["name"] for one in entities] for entities in named) < SCENES


def test_a_text_suits_the_answers_it_stands_beside(scenes: list[Scene]) -> None:
    """The form of stage ``judgment`` takes no flaw without a text, and a right verdict has the true one."""
    for scene in scenes:
        for entity in scene.entities:
            turned = answers_by("somebody", entity, 1.0)
            for dimension, text in script.describe_flaws(entity, turned).items():
                same = is_flawed(Dimension(dimension), turned) == is_flawed(Dimension(dimension), entity.answers)
                assert (text == entity.descriptions[dimension]) is same
                assert text.strip()
