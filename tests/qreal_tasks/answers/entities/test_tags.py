"""Entities between the marks of model families."""

from __future__ import annotations

import pytest
from entity_styles import read

from qreal_tasks.answers import parse_entities

HAND = (10.0, 20.0, 30.0, 40.0)
DOG = (50.0, 60.0, 70.0, 80.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "<|ref|>left hand<|/ref|><|det|>[[10, 20, 30, 40]]<|/det|>", [("left hand", HAND, "")], id="DeepSeek-VL2"
        ),
        pytest.param(
            "<|ref|>left hand<|/ref|><|det|>[[10, 20, 30, 40], [50, 60, 70, 80]]<|/det|> six fingers",
            [("left hand", HAND, "six fingers"), ("left hand", DOG, "six fingers")],
            id="DeepSeek-VL2, two boxes in one mark",
        ),
        pytest.param(
            "<|ref|>left hand<|/ref|><|det|>[[10, 20, 30, 40]]<|/det|><|det|>[[50, 60, 70, 80]]<|/det|> six fingers",
            [("left hand", HAND, "six fingers"), ("left hand", DOG, "six fingers")],
            id="DeepSeek-VL2, two marks",
        ),
        pytest.param(
            "<|grounding|><|ref|>hand<|/ref|><|det|>[[10, 20, 30, 40]]<|/det|>: six.\n"
            "<|ref|>dog<|/ref|><|det|>[[50, 60, 70, 80]]<|/det|>: five.<|end_of_sentence|>",
            [("hand", HAND, "six."), ("dog", DOG, "five.")],
            id="DeepSeek-VL2, two things",
        ),
        pytest.param(
            "<ref>hand</ref> at <box>(10,20),(30,40)</box>, and <ref>dog</ref> at <box>(50,60),(70,80)</box>",
            [("hand", HAND, ""), ("dog", DOG, "")],
            id="words that lead to the box",
        ),
        pytest.param(
            "<ref>hand</ref><box>(10,20),(30,40)</box><quad>(11,20),(29,20),(29,40),(11,40)</quad> six fingers",
            [("hand", HAND, "six fingers")],
            id="Qwen-VL, the quadrangle is the box again",
        ),
        pytest.param(
            "<ref>a</ref><box>(10,20),(30,40)</box><quad>(1,2),(3,4),(5,6),(7,8)</quad>"
            "<ref>b</ref><box>(50,60),(70,80)</box><quad>(1,2),(3,4),(5,6),(7,8)</quad>",
            [("a", HAND, ""), ("b", DOG, "")],
            id="Qwen-VL, twice",
        ),
        pytest.param(
            "<|object_ref_start|>hand<|object_ref_end|><|box_start|>(10,20),(30,40)<|box_end|>"
            "<|quad_start|>(1,2),(3,4),(5,6),(7,8)<|quad_end|>",
            [("hand", HAND, "")],
            id="Qwen2-VL, quadrangle",
        ),
        pytest.param(
            "<ref>hand</ref><quad>(11,20),(30,21),(29,40),(10,39)</quad>", [("hand", HAND, "")], id="a quadrangle alone"
        ),
        pytest.param(
            "The hand<box>(10,20),(30,40)</box><quad>(1,2),(3,4),(5,6),(7,8)</quad> is odd.",
            [("hand", HAND, "The hand (10,20),(30,40) is odd.")],
            id="a quadrangle in a sentence",
        ),
        pytest.param("<ref>hand</ref><box>[[10,20,30,40]]</box>", [("hand", HAND, "")], id="InternVL"),
        pytest.param("<ref>hand</ref><box>10 20 30 40</box>", [("hand", HAND, "")], id="MiniCPM"),
    ],
)
def test_marks_of_families(text: str, expected: list[object]) -> None:
    assert read(text) == expected


def test_a_broken_mark_costs_only_itself() -> None:
    answer = parse_entities("<|ref|>hand<|/ref|><|det|>[[220, <|ref|>car<|/ref|><|det|>[[220, 416, 417, 720]]<|/det|>")
    assert [(e.label, e.box, e.description) for e in answer.entities] == [("car", (220, 416, 417, 720), "")]
    assert answer.dropped == {"not_four_numbers": 1}
