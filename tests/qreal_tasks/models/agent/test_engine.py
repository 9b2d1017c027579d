"""The agent with scripted models in the place of its three."""

from __future__ import annotations

import functools
import inspect
import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from agent_asking import Killed, answers_of, ask, result
from PIL import Image
from straightforward import picture

from qreal_tasks.answers import locate_regions, parse_entities
from qreal_tasks.benchmark import ANSWERS, IMAGEQA_SETS, objectqa_prompt
from qreal_tasks.boxes import Space, as_written
from qreal_tasks.models.agent import on_demand
from qreal_tasks.models.agent.engine import AgentEngine
from qreal_tasks.models.agent.on_demand import EngineOptions
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.local.weights.loading import load_processor
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.store import AnswerStore, answer_with_store
from qreal_tasks.subtasks import SUBTASKS, describe_prompt, detect_prompt, filter_prompt

pytestmark = pytest.mark.slow

STAGES = {"detect": "qwen2_5_vl", "filter": "internvl", "describe": "llava_next"}
"""A family for each, so that a folder tells which stage is asked."""

Answers = Callable[[Request], Response]


def scored(p_yes: float) -> Response:
    return Response("Yes" if p_yes > 0.5 else "No", ("Yes", "No"), (p_yes, 1 - p_yes), 0.9)


def listed(*entities: tuple[Sequence[float], str], size: tuple[int, int] | None = None) -> Response:
    """What a detecting model writes."""
    return Response(json.dumps([{"bbox_2d": list(box), "label": label} for box, label in entities]), input_size=size)


@dataclass
class Script:
    """What the three models answer, and what happened to them."""

    detect: Answers = lambda request: listed(([10, 10, 40, 50], "dog"), ([50, 20, 90, 70], "mug"))
    filter: Answers = lambda request: scored(0.9)
    describe: Answers = lambda request: Response("It is wrong.")
    asked: dict[str, list[Request]] = field(default_factory=lambda: {name: [] for name in SUBTASKS})
    batched: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    """All that a stage was given, known or not, in its order: what its batches are made of."""
    loaded: list[str] = field(default_factory=list)
    fail_after: dict[str, int] = field(default_factory=dict)
    """Answers that a stage gives before its process is killed."""

    def stage_of(self, request: Request) -> str:
        """Which of the three prompts this is; anything else is an error of the agent."""
        if request.choices:
            assert request.choices == ("Yes", "No")
            return "filter"
        return "detect" if request.text.startswith("This image was made") else "describe"


read_once = functools.cache(load_processor)


@pytest.fixture
def agent(tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., AgentEngine]:
    """``agent(script, detect=family, …)``: an agent whose models follow the script."""

    def make(script: Script, **given: Any) -> AgentEngine:
        stages = {str(tiny_model(given.get(name, family))): name for name, family in STAGES.items()}

        class Scripted:
            def __init__(self, pretrained: str, **options: Any) -> None:
                self._stage = stages[pretrained]
                script.loaded.append(self._stage)

            def run(
                self, requests: Sequence[Request], known: Collection[int] = frozenset()
            ) -> Iterator[tuple[int, Response]]:
                """In an order of its own, like the real one."""
                script.batched[self._stage] = [(r.text, r.image.tobytes()) for r in requests]
                places = [at for at in range(len(requests)) if at not in known]
                random.Random(len(requests)).shuffle(places)
                for count, at in enumerate(places):
                    stage = script.stage_of(requests[at])
                    if count == script.fail_after.get(stage, -1):
                        raise Killed
                    script.asked[stage].append(requests[at])
                    yield at, getattr(script, stage)(requests[at])

        monkeypatch.setattr(on_demand, "TransformersEngine", Scripted)
        monkeypatch.setattr(on_demand, "load_processor", read_once)  # half a second each
        monkeypatch.setattr(on_demand, "gc", SimpleNamespace(collect=lambda: 0))  # as long; here is no model to free
        models = {name: str(tiny_model(given.pop(name, family))) for name, family in STAGES.items()}
        return AgentEngine(**{**models, **given})

    return make


def test_three_stages_make_the_answer_that_imageqa_asks_for(agent: Callable[..., AgentEngine]) -> None:
    script = Script(
        filter=lambda request: scored(0.8 if "mug" in request.text else 0.2),
        describe=lambda request: Response(" The handle is detached.\n"),
    )
    image = picture(100, 80, 1)
    [response] = answers_of(agent(script), [ask(image, "plausibility")])
    assert result(response) == [{"bbox_2d": [50, 20, 90, 70], "label": "mug", "description": "The handle is detached."}]
    assert [r.text for r in script.asked["detect"]] == [detect_prompt(Space.PIXELS, 100, 80)]
    assert {r.text for r in script.asked["filter"]} == {filter_prompt("plausibility", n) for n in ("dog", "mug")}
    assert [r.text for r in script.asked["describe"]] == [describe_prompt("plausibility", "mug")]
    assert script.loaded == ["detect", "filter", "describe"]


def test_a_picture_is_detected_once_whatever_it_is_asked(agent: Callable[..., AgentEngine]) -> None:
    """Three sets, one of them twice, and other files with the same pixels."""
    script = Script(
        filter=lambda request: scored(0.9 if "taken in the real world" in request.text else 0.1),
        describe=lambda request: Response("real" if "taken in the real world" in request.text else "other"),
    )
    first, second = picture(100, 80, 1), picture(100, 80, 2)
    requests = [
        ask(first, "realism", max_new_tokens=100),
        ask(second, "realism"),
        ask(first.copy(), "plausibility", max_new_tokens=500),
        ask(first, "realism"),
        ask(first.copy(), "human_plausibility", max_new_tokens=300),
    ]
    answers = answers_of(agent(script), requests)
    assert [r.max_new_tokens for r in sorted(script.asked["detect"], key=lambda r: r.max_new_tokens)] == [2048, 2048]
    assert len(script.asked["filter"]) == 2 * (3 + 1)
    assert len(script.asked["describe"]) == 2 * 2
    assert [[entity["description"] for entity in result(a)] for a in answers] == [
        ["real"] * 2,
        ["real"] * 2,
        [],
        ["real"] * 2,
        [],
    ]


def test_sets_of_one_crop_are_asked_of_the_same_picture(agent: Callable[..., AgentEngine]) -> None:
    """What shares a crop shares its vision pass: the engine goes by the pixels."""
    script = Script()
    image = picture(100, 80, 1)
    answers_of(agent(script), [ask(image, name) for name in IMAGEQA_SETS])
    crops = Counter(request.image.tobytes() for request in script.asked["filter"])
    assert sorted(crops.values()) == [3, 3]


@pytest.mark.parametrize(
    ("family", "space", "size"),
    [
        ("qwen2_5_vl", Space.RESIZED_PIXELS, (196, 140)),
        ("qwen2_5_vl", Space.PIXELS, (196, 140)),
        ("internvl", Space.NORM1000, None),
        ("llava_next", Space.UNIT, None),
    ],
)
def test_boxes_keep_their_space_and_the_reader_finds_them(
    family: str, space: Space, size: tuple[int, int] | None, agent: Callable[..., AgentEngine]
) -> None:
    boxes_px = [[20.0, 10.0, 120.0, 90.0], [0.0, 0.0, 200.0, 130.0]]
    written = as_written(boxes_px, space, 200, 130, size)
    script = Script(detect=lambda _: listed((written[0], "dog"), (written[1], "park"), size=size))
    # The three families of this test are one of the stages each; all must differ for a folder to name its stage.
    others = [name for name in ("qwen2_5_vl", "internvl", "llava_next") if name != family]
    engine = agent(script, detect=family, filter=others[0], describe=others[1])
    [response] = answers_of(engine, [ask(picture(200, 130, 1), "realism", space)])
    assert script.asked["detect"][0].text == detect_prompt(space, 200, 130)
    assert [entity["bbox_2d"] for entity in result(response)] == written
    assert response.input_size == size
    read = locate_regions(parse_entities(response.text), space, 200, 130, response.input_size)
    step_px = max(np.abs(np.array([r.bbox_px for r in read.regions]) - boxes_px).ravel())
    assert step_px <= 1
    for request, box in zip(sorted(script.asked["filter"], key=lambda r: r.image.width), boxes_px, strict=True):
        assert np.abs(np.subtract(request.image.size, (box[2] - box[0], box[3] - box[1]))).max() <= 2


@pytest.mark.parametrize(
    ("family", "space"),
    [("qwen2_5_vl", Space.RESIZED_PIXELS), ("internvl", Space.NORM1000), ("llava_next", Space.UNIT)],
)
def test_box_space_is_the_detecting_models(family: str, space: Space, tiny_model: Callable[[str], Path]) -> None:
    other = str(tiny_model("qwen3_vl"))
    assert AgentEngine(str(tiny_model(family)), other, other).box_space is space


@pytest.mark.parametrize(
    ("box", "crop"),
    [
        ([10, 20, 30, 50], (10, 20, 30, 50)),
        ([10.2, 20.7, 29.1, 49.5], (10, 20, 30, 50)),
        ([-5, -9, 30, 50], (0, 0, 30, 50)),
        ([90, 70, 140, 200], (90, 70, 100, 80)),
        ([10.3, 20.3, 10.4, 20.4], (10, 20, 11, 21)),
        ([99.9, 79.9, 300, 300], (99, 79, 100, 80)),
        ([0, 0, 100, 80], (0, 0, 100, 80)),
    ],
)
def test_crops_are_cut_as_the_datasets_are(
    box: list[float], crop: tuple[int, int, int, int], agent: Callable[..., AgentEngine]
) -> None:
    image = picture(100, 80, 1)
    script = Script(detect=lambda _: listed((box, "dog")))
    [response] = answers_of(agent(script), [ask(image, "realism")])
    pixels = np.asarray(image)[crop[1] : crop[3], crop[0] : crop[2]]
    for stage in ("filter", "describe"):
        [request] = script.asked[stage]
        assert np.array_equal(np.asarray(request.image), pixels)
    assert [entity["bbox_2d"] for entity in result(response)] == [box]


def test_crops_come_from_the_picture_as_the_models_see_it(agent: Callable[..., AgentEngine]) -> None:
    transparent = Image.new("RGBA", (100, 80), (255, 0, 0, 0))
    script = Script()
    answers_of(agent(script), [ask(transparent, "realism")])
    assert {(r.image.mode, r.image.getpixel((0, 0))) for r in script.asked["filter"]} == {("RGB", (255, 255, 255))}


@pytest.mark.parametrize(("p_yes", "kept"), [(0.0, 0), (0.5, 0), (0.500001, 2), (1.0, 2)])
def test_kept_is_what_is_more_likely_flawed_than_not(
    p_yes: float, kept: int, agent: Callable[..., AgentEngine]
) -> None:
    script = Script(filter=lambda _: scored(p_yes))
    engine = agent(script)
    [response] = answers_of(engine, [ask(picture(100, 80, 1), "realism")])
    assert len(result(response)) == len(script.asked["describe"]) == engine.counts["filter"]["kept"] == kept
    assert ("describe" in script.loaded) is bool(kept)


@pytest.mark.parametrize(
    ("text", "entities"),
    [("[]", 0), ("There are no entities in this image.", 0), ('[{"bbox_2d": [200, 10, 300, 40], "label": "dog"}]', 0)],
    ids=["empty list", "said in words", "outside the picture"],
)
def test_a_picture_without_entities_is_an_empty_answer(
    text: str, entities: int, agent: Callable[..., AgentEngine]
) -> None:
    script = Script(detect=lambda _: Response(text, input_size=(84, 56)))
    [response] = answers_of(agent(script), [ask(picture(100, 80, 1), "realism")])
    assert response == Response("[]", input_size=(84, 56))
    assert script.loaded == ["detect"]


def broken(stage: str, reason: str) -> Script:
    """The model of ``stage`` does not answer about pictures of 60 pixels, or their crops of 29."""
    good = Script(detect=lambda r: listed(([1, 1, 30, 40] if r.image.width == 60 else [1, 1, 50, 40], "dog")))
    ask_good = getattr(good, stage)

    def answer(request: Request) -> Response:
        bad = request.image.width in (60, 29)
        return Response("", request.choices, unanswered=reason) if bad else ask_good(request)

    setattr(good, stage, answer)
    return good


@pytest.mark.parametrize("stage", SUBTASKS)
def test_a_stage_without_an_answer_is_named_and_costs_no_other_picture(
    stage: str, agent: Callable[..., AgentEngine]
) -> None:
    engine = agent(broken(stage, "out of memory"))
    requests = [ask(picture(width, 80, 1), name) for width in (100, 60) for name in ("realism", "plausibility")]
    answers = answers_of(engine, requests)
    assert [answer.unanswered for answer in answers] == [None, None, *[f"{stage}: out of memory"] * 2]
    assert engine.counts[stage]["unanswered"] == (1 if stage == "detect" else 2)


@pytest.mark.parametrize(
    ("response", "space", "reason"),
    [
        (Response("I see a dog."), Space.PIXELS, "detect: no_entity"),
        (Response('[{"bbox_2d": [1, 2'), Space.PIXELS, "detect: cut_off"),
        (listed(([1, 2, 30, 40], "dog")), Space.RESIZED_PIXELS, "detect: the box space is resized_pixels but there"),
    ],
    ids=["prose", "cut off", "no input size"],
)
def test_what_detect_wrote_and_cannot_be_read_is_kept_with_the_reason(
    response: Response, space: Space, reason: str, agent: Callable[..., AgentEngine]
) -> None:
    engine = agent(Script(detect=lambda _: response))
    [answer] = answers_of(engine, [ask(picture(100, 80, 1), "realism", space)])
    assert str(answer.unanswered).startswith(reason)
    assert answer.text == response.text
    assert engine.counts["detect"]["unreadable answers"] == 1


def test_a_filter_without_probabilities_is_no_answer(agent: Callable[..., AgentEngine]) -> None:
    script = Script(filter=lambda request: Response("Yes", request.choices))
    [answer] = answers_of(agent(script), [ask(picture(100, 80, 1), "realism")])
    assert answer.unanswered == "filter: no probability of Yes and No"


def test_a_damaged_picture_costs_no_other_answer(agent: Callable[..., AgentEngine], tmp_path: Path) -> None:
    picture(60, 60, 0).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:90])
    damaged = Image.open(tmp_path / "cut.png")
    engine = agent(Script())
    answers = answers_of(engine, [ask(damaged, "realism"), ask(picture(100, 80, 1), "realism")])
    assert str(answers[0].unanswered).startswith("detect: unreadable picture")
    assert len(result(answers[1])) == 2
    assert engine.counts["detect"]["unreadable pictures"] == 1


@pytest.mark.parametrize(
    "text",
    [
        'It reads "OPEN", twice.',
        "<think>Which?</think>The paw is fused.",
        "Two </think> tags.",
        "Brackets ] } [ { and commas,, 12, 30, 200, 180",
        '", "bbox_2d": [1, 2, 3, 4], "label": "',
        "Line\nbreak\tand \\ backslash \u2028 é 手指 😀",
        "x1 y1 [x1, y1, x2, y2]",
        "",
    ],
)
def test_any_label_and_description_reach_the_reader_whole(text: str, agent: Callable[..., AgentEngine]) -> None:
    label = parse_entities(json.dumps([{"bbox_2d": [10, 10, 40, 50], "label": text}])).entities
    script = Script(detect=lambda _: listed(([10, 10, 40, 50], text)), describe=lambda _: Response(text))
    [response] = answers_of(agent(script), [ask(picture(100, 80, 1), "realism")])
    if not label:  # the detecting model's own text breaks off inside its reasoning
        assert str(response.unanswered).startswith("detect: ")
        return
    [entity] = parse_entities(response.text).entities
    assert entity.label == label[0].label
    assert entity.description == text.rpartition("</think>")[2].strip()
    assert entity.box == (10, 10, 40, 50)


def test_a_tag_of_reasoning_in_a_label_hides_no_entity(agent: Callable[..., AgentEngine]) -> None:
    """As an escape in the detecting model's text it is part of the label, and must not be read as a tag later."""
    text = '[{"bbox_2d": [10, 10, 40, 50], "label": "dog"}, {"bbox_2d": [50, 20, 90, 70], "label": "\\u003c/think>"}]'
    [response] = answers_of(agent(Script(detect=lambda _: Response(text))), [ask(picture(100, 80, 1), "realism")])
    assert [entity.label for entity in parse_entities(response.text).entities] == ["dog", "</think>"]


def test_an_entity_without_a_label_is_asked_about_as_one(agent: Callable[..., AgentEngine]) -> None:
    script = Script(detect=lambda _: listed(([10, 10, 40, 50], "")))
    [response] = answers_of(agent(script), [ask(picture(100, 80, 1), "realism")])
    assert [r.text for r in script.asked["filter"]] == [filter_prompt("realism", "entity")]
    assert [entity["label"] for entity in result(response)] == [""]


def test_what_is_known_is_left_out(agent: Callable[..., AgentEngine]) -> None:
    script = Script()
    requests = [ask(picture(100, 80, at), name) for at in range(3) for name in ("realism", "plausibility")]
    whole = answers_of(agent(Script()), requests)
    answers = answers_of(agent(script), requests, known={0, 1, 2})
    assert answers == [None, None, None, *whole[3:]]
    assert len(script.asked["detect"]) == 2
    assert len(script.asked["filter"]) == 2 * 3


@pytest.mark.parametrize(("stage", "after"), [("detect", 3), ("filter", 3), ("describe", 12)])
def test_a_run_that_died_in_a_stage_goes_on_there(
    stage: str, after: int, agent: Callable[..., AgentEngine], tmp_path: Path
) -> None:
    requests = [ask(picture(100, 80, at), name) for at in range(4) for name in ("realism", "plausibility")]
    uninterrupted = Script()
    with AnswerStore(tmp_path / "whole.sqlite") as store:
        whole = dict(answer_with_store(agent(uninterrupted, store=store), store, requests))
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        died = Script(fail_after={stage: after})  # of 16 descriptions 12 complete some requests, which are then known
        with pytest.raises(Killed):
            list(answer_with_store(agent(died, store=store), store, requests))
        script = Script()
        answers = dict(answer_with_store(agent(script, store=store), store, requests))
        assert answers == whole
        asked = {"detect": 4, "filter": 16, "describe": 16}
        for name in SUBTASKS:
            assert len(died.asked[name]) + len(script.asked[name]) == asked[name]
        assert len(script.asked[stage]) == asked[stage] - after
        assert script.loaded == list(SUBTASKS[SUBTASKS.index(stage) :])
        assert script.batched == {name: uninterrupted.batched[name] for name in script.loaded}
        again = Script()
        assert dict(answer_with_store(agent(again, store=store), store, requests)) == answers
        assert again.loaded == []


@pytest.mark.parametrize(
    ("request_of", "message"),
    [
        (lambda image: Request(image, objectqa_prompt("realism_q1"), ANSWERS), "answers ImageQA, which has no"),
        (lambda image: Request(image, "Where is the dog?"), "expected the prompt of an ImageQA task"),
    ],
    ids=["objectqa", "free question"],
)
def test_other_questions_are_refused_before_a_model_is_loaded(
    request_of: Callable[[Image.Image], Request], message: str, agent: Callable[..., AgentEngine]
) -> None:
    script = Script()
    image = picture(100, 80, 1)
    with pytest.raises(ValueError, match=message):
        list(agent(script).run([ask(image, "realism"), request_of(image)]))
    assert script.loaded == []


def test_the_counts_of_every_stage_are_said(agent: Callable[..., AgentEngine]) -> None:
    lines: list[str] = []
    script = Script(
        detect=lambda r: (
            Response("What?")
            if r.image.width == 60
            else listed(([10, 10, 40, 50], "dog"), ([50, 20, 90, 70], "mug"), ([9, 9, 9, 9], "dot"))
        ),
        filter=lambda r: scored(0.9 if "mug" in r.text else 0.1),
        describe=lambda _: Response(""),
    )
    answers_of(agent(script, say=lines.append), [ask(picture(w, 80, 1), "realism") for w in (100, 110, 60)])
    assert lines[1::2] == [
        "agent, detect: 3 pictures, 1 unreadable answers, 4 entities, 2 entities without a usable box",
        "agent, filter: 4 questions, 2 kept",
        "agent, describe: 2 descriptions, 2 empty descriptions",
    ]
    assert "0 answers known, 3 to ask of " in lines[0]


def test_the_options_are_those_of_the_engine() -> None:
    taken = inspect.signature(TransformersEngine).parameters
    ours = {option.name: option.default for option in fields(EngineOptions)}
    own = {"pretrained", "adapter", "revision"}
    assert ours == {name: parameter.default for name, parameter in taken.items() if name not in own}


def test_what_an_answer_depends_on_is_known_without_the_weights(
    saying: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_demand, "TransformersEngine", lambda *_, **__: pytest.fail("a model was loaded"))
    qwen, other = saying("qwen2_5_vl", "Yes"), saying("qwen2_5_vl", "No")
    engines = [
        AgentEngine(qwen, qwen, qwen),
        AgentEngine(other, qwen, qwen),
        AgentEngine(qwen, other, qwen),
        AgentEngine(qwen, qwen, other),
        AgentEngine(qwen, qwen, qwen, max_pixels=10_000),
        AgentEngine(qwen, qwen, qwen, dtype="bfloat16"),
    ]
    identities = [json.dumps(engine.identity(), sort_keys=True) for engine in engines]
    assert len(set(identities)) == len(engines)
    assert json.dumps(AgentEngine(qwen, qwen, qwen, batch_size=3).identity(), sort_keys=True) == identities[0]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"detect": "/no/model"}, ValueError, "model folder '/no/model' does not exist"),
        ({"pretrained": "org/base"}, ValueError, "none of detect, filter, describe is an adapter"),
        ({"max_patches": 4}, ValueError, "has no such limit, leave max_patches out"),
        ({"max_patchs": 4}, TypeError, "max_patchs"),
    ],
)
def test_arguments_are_checked_before_a_model_is_loaded(
    given: dict[str, Any],
    error: type[Exception],
    message: str,
    tiny_model: Callable[[str], Path],
) -> None:
    models = dict.fromkeys(SUBTASKS, str(tiny_model("qwen2_5_vl")))
    with pytest.raises(error, match=message):
        AgentEngine(**{**models, **given})
