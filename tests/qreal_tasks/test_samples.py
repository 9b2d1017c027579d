"""Records made from a row of the dataset and what a model said: one function for all nine tasks."""

from __future__ import annotations

from typing import Any

import pytest
from small_set import small_rows

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, PromptFrame, Style, frame_of
from qreal_tasks.boxes import Space
from qreal_tasks.records import GroundingRecord, JudgmentRecord
from qreal_tasks.samples import NO_INPUT_SIZE, ModelAnswer, SampleContext, build_record

ROWS = small_rows()
ENTITY, IMAGE = ROWS["objectqa"]["test"][0], ROWS["imageqa"]["test"][1]
BOX = '[{"bbox_2d": [100, 200, 400, 700], "label": "dog", "description": "flat"}]'


def grounding(answer: ModelAnswer, context: SampleContext, name: str = "realism") -> GroundingRecord:
    record = build_record(IMAGE, name, answer, context)
    assert isinstance(record, GroundingRecord)
    return record


@pytest.mark.parametrize("name", QUESTION_NAMES)
def test_a_question_gives_a_judgment(name: str) -> None:
    record = build_record(ENTITY, name, ModelAnswer("Yes.", p_yes=0.1 + 0.2, mass=0.9), SampleContext("x/y"))
    assert isinstance(record, JudgmentRecord)
    assert (record.subject, record.sample_id, record.answer) == (name, ENTITY["entity_id"], "Yes")
    assert (record.p_yes, record.mass) == (0.1 + 0.2, 0.9), "as it was given, to the last digit"
    assert record.reference == ("No", "Yes")[ENTITY[name]]


@pytest.mark.parametrize("name", IMAGEQA_SETS)
def test_a_set_gives_boxes(name: str) -> None:
    record = grounding(ModelAnswer(BOX), SampleContext("x/y", space=Space.NORM1000), name)
    assert (record.subject, record.sample_id) == (name, IMAGE["image_id"])
    assert [region.bbox_px for region in record.predicted] == [(10, 16, 40, 56)]
    assert not record.space_assumed


def test_a_space_that_nobody_declared_is_the_default_and_said() -> None:
    record = grounding(ModelAnswer(BOX), SampleContext("x/y"))
    assert (record.space, record.space_assumed) == ("norm1000", True)


def test_resized_pixels_need_the_size_that_the_model_was_fed() -> None:
    context = SampleContext("x/y", space=Space.RESIZED_PIXELS)
    assert grounding(ModelAnswer(BOX), context).reason == NO_INPUT_SIZE
    [region] = grounding(ModelAnswer(BOX, input_size=(1000, 800)), context).predicted
    assert region.bbox_px == (10, 20, 40, 70)


@pytest.mark.parametrize("style", Style)
def test_the_frame_is_that_of_the_style_unless_it_is_given(style: Style) -> None:
    own, other = frame_of(style, "realism"), PromptFrame("Look: ", " Answer.")
    record = grounding(ModelAnswer(BOX), SampleContext("x/y", style))
    assert (record.pre_prompt, record.post_prompt) == (own.pre, own.post)
    record = grounding(ModelAnswer(BOX), SampleContext("x/y", style, other))
    assert (record.pre_prompt, record.post_prompt) == (other.pre, other.post)


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        (None, {}),
        ('{"choices": ["No", "Yes"], "p": [0.25, 0.75], "mass": 0.5}', {"p_yes": 0.75, "mass": 0.5}),
        ('{"input_size": [28, 56]}', {"input_size": (28, 56)}),
        ('{"unanswered": "refused"}', {"unanswered": "refused"}),
        ("no JSON", {}),
    ],
)
def test_a_response_of_the_harness_is_an_answer(beside: str | None, expected: dict[str, Any]) -> None:
    assert ModelAnswer.from_response("Yes", beside) == ModelAnswer("Yes", **expected)


def test_why_there_is_no_answer_stands_only_where_there_is_none() -> None:
    refused = ModelAnswer("", unanswered="refused")
    assert build_record(ENTITY, "realism_q1", refused, SampleContext("x/y")).reason == "refused"
    assert grounding(refused, SampleContext("x/y")).reason == "refused"
    result = ModelAnswer("Yes", unanswered="refused")
    assert build_record(ENTITY, "realism_q1", result, SampleContext("x/y")).reason is None
