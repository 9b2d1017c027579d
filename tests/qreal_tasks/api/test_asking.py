"""Questions about pictures of one's own: the benchmark's prompts and crops, and what the answers are read as."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import qreal_tasks as qreal
from qreal_tasks.api.findings import Box, PictureFindings
from qreal_tasks.benchmark import ANSWERS, IMAGEQA_SETS, QUESTION_NAMES, QUESTIONS, Dimension, Style, questions_of
from qreal_tasks.boxes import Space
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.images import PictureError, pixels_digest
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.prompt_files.prompts import PromptOptions, list_prompts

PICTURE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (80, 100, 3), dtype=np.uint8))
DOG = {"bbox_2d": [100, 250, 400, 750], "label": "dog", "description": "The fur is flat."}
SAME_DOG = {"bbox_2d": [110, 250, 410, 750], "label": "animal", "description": "It has five legs."}
CUP = {"bbox_2d": [600, 500, 900, 1000], "label": "cup", "description": "No handle."}
DOG_PX: Box = (10.0, 20.0, 40.0, 60.0)
CUP_PX: Box = (60.0, 40.0, 90.0, 80.0)


class Scripted:
    """An engine that answers as a function says, and keeps what it was asked."""

    box_space = Space.NORM1000

    def __init__(self, script: Callable[[Request], Response]) -> None:
        self.script = script
        self.asked: list[Request] = []

    def identity(self) -> Mapping[str, Any]:
        return {"engine": "scripted"}

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        for at in reversed(range(len(requests))):
            if at not in known:
                self.asked.append(requests[at])
                yield at, self.script(requests[at])


def finds_dog_and_cup(request: Request) -> Response:
    """Both flawed; every question is answered Yes with P(Yes) .8."""
    if request.choices:
        return Response("Yes", request.choices, p=(0.8, 0.2), mass=0.9)
    if "Find every entity" in request.text:
        return Response(json.dumps([{key: one[key] for key in ("bbox_2d", "label")} for one in (CUP, DOG)]))
    return Response(json.dumps([DOG] if "realism (whether" in request.text else [SAME_DOG, CUP]))


def labels(found: PictureFindings) -> list[str]:
    return [entity.label for entity in found.entities]


@pytest.mark.parametrize(("style", "length"), [(Style.BENCHMARK, 16), (Style.PAPER, 64)])
def test_what_is_asked_is_what_the_benchmark_asks(style: Style, length: int) -> None:
    """Prompts to the letter, crops to the pixel, choices and length: on entities and images of the embedded set."""
    prompts = list(list_prompts(locate("mini"), PromptOptions(style, Space.NORM1000)))
    images = [one for one in prompts if "entities" in one.row][:6]
    crops = {one.row["entity_id"]: one for one in prompts if "entity_id" in one.row}
    engine = Scripted(finds_dog_and_cup)
    model = qreal.Model(engine)
    for image in images:
        picture, entities = image.row["image"], image.row["entities"]
        model.ask(picture, [(one["label"], one["bbox"]) for one in entities], prompts=style.value)
        expected = [
            (text, pixels_digest(crops[one["entity_id"]].row["image"].convert("RGB")), ("Yes", "No"), length)
            for one in entities
            for text in crops[one["entity_id"]].prompts.values()
        ]
        assert sorted(map(asked, engine.asked)) == sorted(expected)
        engine.asked.clear()
        sets = [prompt_id.task.rpartition("imageqa_")[2] for prompt_id in image.prompts]
        model.ask(picture, sets=sets, prompts=style.value)
        whole = [asked(one) for one in engine.asked if not one.choices]
        digest = pixels_digest(picture.convert("RGB"))
        assert sorted(whole) == sorted((text, digest, (), 2048) for text in image.prompts.values())
        engine.asked.clear()


def asked(request: Request) -> tuple[str, str, tuple[str, ...], int]:
    return request.text, pixels_digest(request.image), request.choices, request.max_new_tokens


def test_right_answers_about_every_entity_give_the_flaws_of_the_dataset() -> None:
    """Every crop of the embedded set is found again, pixel by pixel, and the flaw rule is that of the dataset."""
    source = locate("mini")
    rows = {pixels_digest(row["image"].convert("RGB")): row for row in load_split(source, "objectqa", "test")}

    def right(request: Request) -> Response:
        name = next(one.name for one in QUESTIONS if request.text.startswith(one.text))
        return Response(ANSWERS[rows[pixels_digest(request.image)][name]], request.choices)

    images = list(load_split(source, "imageqa", "test"))
    given = [[(one["label"], one["bbox"]) for one in row["entities"]] for row in images]
    found = qreal.Model(Scripted(right)).ask([row["image"] for row in images], given)
    flaws = [[[e.is_flawed(one) for one in Dimension] for e in picture.entities] for picture in found]
    assert flaws == [[[e[f"{one}_flawed"] for one in Dimension] for e in row["entities"]] for row in images]
    assert sum(map(len, flaws)) == len(rows)


def test_the_same_entity_in_two_answers_is_one() -> None:
    found = qreal.ask(Scripted(finds_dog_and_cup), PICTURE)
    dog, cup = found.entities
    assert (dog.label, dog.box_px, dog.found_by) == ("dog", DOG_PX, ("realism", "plausibility"))
    assert dog.descriptions == {"realism": "The fur is flat.", "plausibility": "It has five legs."}
    assert (cup.label, cup.box_px, cup.found_by) == ("cup", CUP_PX, ("plausibility",))
    assert list(dog.answers) == list(QUESTION_NAMES)
    assert {(one.answer, one.p_yes, one.mass, one.reason) for one in dog.answers.values()} == {("Yes", 0.8, 0.9, None)}
    assert (dog.is_flawed("realism"), dog.is_flawed("plausibility"), dog.flawed) == (False, True, True)
    assert found.unread == {}


def test_detect_comes_before_the_sets() -> None:
    engine = Scripted(finds_dog_and_cup)
    found = qreal.ask(engine, PICTURE, detect=True)
    assert labels(found) == ["cup", "dog"]
    assert found.entities[1].found_by == ("detect", "realism", "plausibility")
    assert found.entities[1].descriptions.keys() == {"realism", "plausibility"}
    alone = qreal.ask(engine, PICTURE, sets=(), detect=True)
    assert list(alone.image_answers) == ["detect"]
    assert labels(alone) == ["cup", "dog"]


def test_given_entities_are_asked_the_six_questions_alone() -> None:
    engine = Scripted(finds_dog_and_cup)
    found = qreal.ask(engine, PICTURE, [("cat", np.array([10.5, 20, 40, 95]))])
    [cat] = found.entities
    assert (cat.box_px, cat.found_by, cat.descriptions) == ((10.5, 20, 40, 80), ("given",), {}), "cut to the picture"
    assert len(engine.asked) == 6
    assert {one.image.size for one in engine.asked} == {(30, 60)}, "all pixels that the box touches"
    assert found.image_answers == {}


def test_no_entity_is_no_question() -> None:
    found = qreal.ask(Scripted(lambda request: Response("[]")), PICTURE)
    assert found.entities == ()
    assert found.unread == {}
    assert found.to_pandas().empty
    assert qreal.ask(Scripted(finds_dog_and_cup), PICTURE, []).entities == ()


def test_many_pictures_are_asked_at_once(tmp_path: Path) -> None:
    calls: list[int] = []

    class Counting(Scripted):
        def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[Any]:
            calls.append(len(requests))
            return super().run(requests, known)

    path = tmp_path / "a.png"
    PICTURE.save(path)
    small = PICTURE.resize((50, 40))
    engine = Counting(finds_dog_and_cup)
    with qreal.Model(engine) as model:
        found = model.ask([path, small, PICTURE], [None, [("cat", (0, 0, 9, 9))], None])
    assert [labels(one) for one in found] == [["dog", "cup"], ["cat"], ["dog", "cup"]]
    assert [one.name for one in found] == [str(path), "picture 2", "picture 3"]
    assert calls == [4, 30]
    assert [one.image.size for one in found] == [(100, 80), (50, 40), (100, 80)]


def test_boxes_in_the_models_own_pixels() -> None:
    def resized(request: Request) -> Response:
        size = None if request.choices else (200, 160)
        return Response(json.dumps([{"bbox_2d": [20, 40, 80, 120], "label": "dog"}]), input_size=size)

    engine = Scripted(resized)
    found = qreal.Model(engine, box_space="resized_pixels").ask(PICTURE)
    assert found.entities[0].box_px == DOG_PX
    assert all("as you see it" in one.text for one in engine.asked if not one.choices)
    engine.script = lambda request: Response('[{"bbox_2d": [20, 40, 80, 120], "label": "dog"}]')
    without = qreal.Model(engine, box_space="resized_pixels").ask(PICTURE)
    assert without.unread == dict.fromkeys(("realism", "plausibility"), "backend reports no input size")


def test_what_cannot_be_read_is_told_and_nothing_is_made_of_it() -> None:
    def strange(request: Request) -> Response:
        if request.choices and "text within the image" in request.text:
            return Response("", request.choices, unanswered="request failed: 500")
        if request.choices:
            return Response("Perhaps.", request.choices, no_p="no log-probabilities")
        if "realism (whether" in request.text:
            return Response("", unanswered="refused")
        return Response(json.dumps([DOG, {"label": "cat"}, {**CUP, "bbox_2d": [900, 0, 2000, 500]}]))

    found = qreal.ask(Scripted(strange), PICTURE)
    dog, cup = found.entities
    assert found.unread["realism"] == "refused"
    assert dict(found.image_answers["plausibility"].dropped).popitem()[1] == 1
    assert cup.box_px == (90.0, 0.0, 100.0, 40.0)
    assert (dog.is_flawed("realism"), dog.is_flawed("plausibility"), dog.flawed) == (None, None, None)
    assert found.unread["entity 1 plausibility_q4"] == "request failed: 500"
    assert dog.answers["realism_q1"].p_yes is None
    assert "realism could not be read: refused" in repr(found)


def test_one_defect_is_enough_though_another_answer_is_unread() -> None:
    def only_the_last(request: Request) -> Response:
        return Response("Yes" if "text within the image" in request.text else "Who knows", request.choices)

    [entity] = qreal.ask(Scripted(only_the_last), PICTURE, [("sign", DOG_PX)]).entities
    assert (entity.is_flawed("plausibility"), entity.is_flawed("realism"), entity.flawed) == (True, None, True)


def test_plain_values_a_frame_and_what_is_shown() -> None:
    found = qreal.ask(Scripted(finds_dog_and_cup), PICTURE)
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["entities"][0]["box_px"] == [*DOG_PX]
    assert plain["entities"][0]["flawed"] == {"realism": False, "plausibility": True}
    frame = found.to_pandas()
    assert frame[["label", "x1", "y2"]].to_numpy().tolist() == [["dog", 10, 60], ["cup", 60, 80]]
    assert frame["p_yes_realism_q1"].tolist() == [0.8, 0.8]
    assert frame["plausibility_description"].tolist() == ["It has five legs.", "No handle."]
    assert "1 dog [10, 20, 40, 60]: realism_q1 Yes (0.80)" in repr(found)


def test_boxes_are_drawn_beside_the_picture() -> None:
    found = qreal.ask(Scripted(finds_dog_and_cup), PICTURE)
    drawn = found.draw()
    assert drawn.size == PICTURE.size
    assert drawn.getpixel((9, 40)) == (200, 30, 45), "red, just left of the dog"
    assert drawn.getpixel((20, 30)) == found.image.getpixel((20, 30))
    assert found.image.tobytes() == PICTURE.tobytes(), "the picture itself stays"


@pytest.mark.parametrize(("answer", "colour"), [("sound", (20, 125, 70)), ("unread", (90, 90, 90))])
def test_the_colour_says_whether_an_entity_is_flawed(answer: str, colour: tuple[int, int, int]) -> None:
    realism = {question.text for question in questions_of(Dimension.REALISM)}

    def script(request: Request) -> Response:
        sound = "Yes" if request.text.partition("\n")[0] in realism else "No"
        return Response(sound if answer == "sound" else "Perhaps.", request.choices)

    found = qreal.ask(Scripted(script), PICTURE, [("dog", DOG_PX)])
    assert found.draw().getpixel((9, 40)) == colour


GIVEN_WRONG: dict[str, tuple[Any, str]] = {
    "no list": ("dog", "picture 1: entities is 'dog', expected a list of pairs such as"),
    "no pair": ([("dog",)], "picture 1, entity 1: .*expected label and box in pixels"),
    "three corners": ([("cat", DOG_PX), ("dog", (1, 2, 3))], "picture 1, entity 2: "),
    "no label": ([(None, DOG_PX)], "picture 1, entity 1: "),
    "infinite": ([("dog", (0, 0, np.inf, 9))], "picture 1, entity 1: "),
    "turned over": ([("dog", (40, 20, 10, 60))], r"entity 1 \(dog\): box 40, 20, 10, 60 has no area inside"),
    "outside": ([("dog", (140, 20, 180, 60))], "no area inside the picture of 100 x 80 pixels"),
}


@pytest.mark.parametrize("name", GIVEN_WRONG)
def test_entities_that_are_none(name: str) -> None:
    given, message = GIVEN_WRONG[name]
    engine = Scripted(finds_dog_and_cup)
    with pytest.raises(ValueError, match=message):
        qreal.ask(engine, PICTURE, given)
    assert engine.asked == []


def test_other_wrong_arguments() -> None:
    model = qreal.Model(Scripted(finds_dog_and_cup))
    with pytest.raises(ValueError, match="sets is 'realism', expected some of realism, plausibility"):
        model.ask(PICTURE, sets="realism")
    with pytest.raises(ValueError, match="expected some of realism, plausibility, human_plausibility"):
        model.ask(PICTURE, sets=("portrait",))
    with pytest.raises(ValueError, match="entities of 1 pictures for 2"):
        model.ask([PICTURE, PICTURE], [[("dog", DOG_PX)]])
    with pytest.raises(PictureError, match="picture 2: no picture"):
        model.ask([PICTURE, b"x"])
    with pytest.raises(TypeError, match="server: options of a Model that is loaded already"):
        qreal.ask(model, PICTURE, server="http://localhost/v1")
    with pytest.raises(TypeError, match="server, device: of a model to be loaded, and Scripted is loaded already"):
        qreal.Model(Scripted(finds_dog_and_cup), server="http://localhost/v1", device="cpu")
    with pytest.raises(ValueError, match="box space 'px'"):
        qreal.Model(Scripted(finds_dog_and_cup), box_space="px")
    with pytest.raises(ValueError, match=r"model folder '\./nothing' does not exist"):
        qreal.Model("./nothing")
    with pytest.raises(ValueError, match=r"model folder '.*/nothing' does not exist"):
        qreal.Model(Path("nothing"))


def test_a_closed_model_says_so() -> None:
    with qreal.Model(Scripted(finds_dog_and_cup)) as model:
        assert labels(model.ask(PICTURE)) == ["dog", "cup"]
    with pytest.raises(ValueError, match="Scripted is closed; make a new Model"):
        model.ask(PICTURE)
    assert repr(model) == "Model(Scripted, boxes in norm1000, closed)"


def test_answers_are_kept(tmp_path: Path) -> None:
    first, second = Scripted(finds_dog_and_cup), Scripted(finds_dog_and_cup)
    store = tmp_path / "answers.sqlite"
    found = [qreal.Model(engine, store=store).ask(PICTURE).to_dict() for engine in (first, second)]
    assert found[0] == found[1]
    assert (len(first.asked), len(second.asked)) == (14, 0)


def test_a_model_behind_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Asked) -> Reply:
        if "Answer with one word" in request.text:
            return completion("No", {"No": 0.75, "Yes": 0.25})
        return completion(json.dumps([DOG]))

    monkeypatch.setenv("OPENAI_API_KEY", "key")
    prices = {"input": 1.0, "output": 1.0}
    with ScriptedServer(answer) as server:
        with pytest.warns(UserWarning, match="ASSUMED to be written in norm1000"):
            model = qreal.Model("judge-of-pictures", server=server.url, prices=prices)
        found = model.ask(PICTURE)
    [dog] = found.entities
    assert dog.box_px == DOG_PX
    assert dog.answers["realism_q1"].answer == "No"
    assert dog.answers["realism_q1"].p_yes == pytest.approx(0.25)
    assert (model.cost() or 0) > 0
    assert server.url in repr(model)


def test_the_family_of_a_served_model_decides_how_boxes_are_written() -> None:
    with ScriptedServer(lambda _: completion("[]")) as server:
        model = qreal.Model("Qwen/Qwen3-VL-8B-Instruct", server=server.url, api_key="key")
        assert model.box_space is Space.NORM1000
        declared = qreal.Model("mine", server=server.url, api_key="key", box_space="unit")
        declared.ask(PICTURE, sets=IMAGEQA_SETS)
    assert declared.box_space is Space.UNIT
    assert all("fractions of the image" in asked.text for asked in server.asked)
    assert len(server.asked) == 3
