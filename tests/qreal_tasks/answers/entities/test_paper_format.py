"""The paper's form of an answer is read back as it was written, and as models write it."""

from __future__ import annotations

import pytest
from entity_styles import read
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qreal_tasks.answers import Reason, format_answer, parse_entities

HAND = ("hand", (10.0, 20.0, 30.0, 40.0), "six fingers")
DOG = ("dog", (50.0, 60.0, 70.0, 80.0), "five legs")

SAID = st.text(max_size=40) | st.sampled_from(
    ["<think>", "[THINK]", "reflection", "answer", "none", "1, 2, 3, 4", "[1, 2, 3, 4]", "[]", '{"bbox_2d": []}', "ref"]
)
SIDES = st.integers(0, 3000) | st.integers(0, 999).map(lambda n: n / 1000)
BOX = st.tuples(SIDES, SIDES, st.integers(1, 99), st.integers(1, 99)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


def shown(text: str) -> str:
    return " ".join(text.replace("<", "‹").replace(">", "›").split())


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@example([("reflection", (1, 2, 3, 4), "<answer>[]</answer>"), ("think", (1, 2, 3, 4), "")])
@given(st.lists(st.tuples(SAID, BOX, SAID), min_size=1, max_size=4))
def test_what_is_written_is_read_back(entities: list[tuple[str, tuple[float, float, float, float], str]]) -> None:
    text = format_answer(entities)
    assert text.count("<") == text.count(">") == 3 * len(entities)
    assert read(text) == [(shown(label), box, shown(result)) for label, box, result in entities]
    assert read(f" {text}\n<|im_end|>") == read(text)


@pytest.mark.parametrize("text", [format_answer([]), "<none>", " <None>.\n", "<none><|im_end|>"])
def test_no_entity_is_written_and_read(text: str) -> None:
    answer = parse_entities(text)
    assert (answer.entities, answer.reason, answer.dropped) == ((), None, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<hand><[10, 20, 30, 40]><six fingers>\n<dog><[50, 60, 70, 80]><five legs>", [HAND, DOG]),
        ("<hand>, <(10,20),(30,40)>, <six fingers>,\n<dog>, <(50,60),(70,80)>, <five legs>", [HAND, DOG]),
        ("1. <hand><10, 20, 30, 40><six fingers>\n2. <dog><50 60 70 80><five legs>", [HAND, DOG]),
        ("<hand><[x1=10, y1=20, x2=30, y2=40]><six fingers>", [HAND]),
        ("<label: hand><coordinate: [10, 20, 30, 40]><description: six fingers>", [HAND]),
        ("These are odd: <hand><[10, 20, 30, 40]><six fingers>. The rest is fine.", [HAND]),
        ("<think><[1, 2, 3, 4]?</think><hand><[10, 20, 30, 40]><six fingers>", [HAND]),
        ("<answer><hand><[10, 20, 30, 40]><six fingers></answer>", [HAND]),
        ("<hand><[10, 20, 30, 40]><[50, 60, 70, 80]><six>", [("hand", HAND[1], "six"), ("hand", DOG[1], "six")]),
        ("Odd: <hand><[10, 20, 30, 40]><dog><[50, 60, 70, 80]><five legs>", [("hand", HAND[1], ""), DOG]),
        ("<sign><[10, 20, 30, 40]><It reads [].>", [("sign", HAND[1], "It reads [].")]),
    ],
)
def test_as_models_write_it(text: str, expected: list[object]) -> None:
    answer = parse_entities(text)
    assert read(text) == expected
    assert (answer.dropped, answer.truncated) == ({}, False)


@pytest.mark.parametrize(
    ("text", "kept", "reason"),
    [
        ("<hand><[10, 20, 30, 40]><six fingers><dog><[50, 6", 1, None),
        ("<hand><[10, 20, 30, 40]><six fingers><dog><[50, 60, 70, 80]><five", 1, None),
        ("<hand><[10, 20, 30, 40]><six fingers><d", 1, None),
        ("<hand><[10, 20, 30, 40]><six", 0, Reason.CUT_OFF),
        ("<hand><[10, 2", 0, Reason.CUT_OFF),
    ],
)
def test_cut_off_keeps_complete_entities_only(text: str, kept: int, reason: Reason | None) -> None:
    answer = parse_entities(text)
    assert (len(answer.entities), answer.reason, answer.truncated, answer.dropped) == (kept, reason, True, {})


def test_a_bad_coordinate_is_counted() -> None:
    answer = parse_entities("<hand><[10, 20, 30]><six fingers><dog><[50, 60, 70, 80]><five legs>")
    assert ([e.label for e in answer.entities], answer.dropped) == (["dog"], {"not_four_numbers": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<hand><[10,20,30,40]><fingers > 5 and < 7>", [("hand", HAND[1], "fingers › 5 and ‹ 7")]),
        (
            "<hand><[10,20,30,40]><more than > 5>\n<dog><[50,60,70,80]><five legs>",
            [("hand", HAND[1], "more than › 5"), DOG],
        ),
        (
            "<hand><[10,20,30,40]><six fingers>\n\n<dog><[50,60,70,80]><reads <STOP> oddly>",
            [HAND, ("dog", DOG[1], "reads ‹STOP› oddly")],
        ),
        ("<hand><[10,20,30,40]><a <b> c>; <dog><[50,60,70,80]><five legs>", [("hand", HAND[1], "a ‹b› c"), DOG]),
        ("<label><hand><coordinate><[10,20,30,40]><description><six fingers>", [HAND]),
        ("<type> <hand> <box> <[10,20,30,40]> <explanation> <six fingers>", [HAND]),
        (
            "<label><hand><coordinate><[10,20,30,40]><description><six fingers>\n"
            "<label><dog><coordinate><[50,60,70,80]><description><five legs>",
            [HAND, DOG],
        ),
        ("<hand>: <[10,20,30,40]>: <six fingers>", [HAND]),
        ("<hand>:<[10,20,30,40]>:<six fingers>\n<dog>: <[50,60,70,80]>: <five legs>", [HAND, DOG]),
        ("<box><[10,20,30,40]><crushed>", [("box", HAND[1], "crushed")]),
    ],
)
def test_brackets_inside_and_names_of_fields(text: str, expected: list[object]) -> None:
    assert read(text) == expected
