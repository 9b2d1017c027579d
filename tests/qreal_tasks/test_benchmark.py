"""The definitions that everything else takes over."""

from __future__ import annotations

import pytest

from qreal_tasks.benchmark import (
    BODY_PARTS,
    QUESTION_NAMES,
    Answer,
    Dimension,
    is_flawed,
    objectqa_prompt,
    parts_description,
    question,
    questions_of,
)

SOUND = {
    "realism_q1": "Yes",
    "realism_q2": "Yes",
    **dict.fromkeys(("plausibility_q1", "plausibility_q2", "plausibility_q3", "plausibility_q4"), "No"),
}


def test_two_questions_on_realism_and_four_on_plausibility() -> None:
    assert [len(questions_of(d)) for d in Dimension] == [2, 4]
    assert list(SOUND) == list(QUESTION_NAMES)


def test_polarity_yes_is_good_for_realism_and_a_defect_for_plausibility() -> None:
    assert {q: question(q).defect for q in QUESTION_NAMES} == {
        q: Answer.NO if q.startswith("realism") else Answer.YES for q in QUESTION_NAMES
    }


@pytest.mark.parametrize("name", QUESTION_NAMES)
def test_one_defect_flaws_its_dimension_only(name: str) -> None:
    answers = {**SOUND, name: str(question(name).defect)}
    assert {d for d in Dimension if is_flawed(d, answers)} == {question(name).dimension}
    assert not any(is_flawed(d, SOUND) for d in Dimension)


def test_a_missing_answer_is_no_sound_entity() -> None:
    with pytest.raises(KeyError, match="plausibility_q4"):
        is_flawed(Dimension.PLAUSIBILITY, {name: "No" for name in QUESTION_NAMES if name != "plausibility_q4"})


def test_unknown_question_is_named() -> None:
    with pytest.raises(KeyError, match="unknown question 'realism_q3', expected one of realism_q1"):
        objectqa_prompt("realism_q3")


def test_body_parts_are_told_in_their_order_and_empty_ones_left_out() -> None:
    parts = dict.fromkeys(BODY_PARTS) | {"feet": "One foot is missing.", "hands": " Six fingers. ", "torso": ""}
    assert parts_description(parts) == "Hands: Six fingers. Feet: One foot is missing."
