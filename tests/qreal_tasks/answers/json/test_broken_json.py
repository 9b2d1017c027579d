"""Entities in JSON that is broken, cut off, empty, or holds bad boxes."""

import json

import pytest
from entity_styles import CAT, DOG, ENTITY, FAILED, OBJECT, Plain, as_dicts, as_json, read
from hypothesis import given, settings
from hypothesis import strategies as st

from qreal_tasks.answers import Reason, parse_entities


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            '[{"bbox": [1,2,3,4], "label": "sign", "description": "reads "OPEN", twice, "box": x"}]',
            [("sign", (1, 2, 3, 4), 'reads "OPEN", twice, "box": x')],
            id="quotes that are not escaped",
        ),
        pytest.param(
            '[{"bbox": [[1,2,3,4],[5,6,7,8]], "label": "a"}]',
            [("a", (1, 2, 3, 4), ""), ("a", (5, 6, 7, 8), "")],
            id="two boxes in one object",
        ),
        pytest.param('[{"bbox": ["1","2px","3","4"], "label": "a"}]', [("a", (1, 2, 3, 4), "")], id="numbers as text"),
        pytest.param('[{"bbox": [[1,2],[3,4]], "label": "a"}]', [("a", (1, 2, 3, 4), "")], id="corner pairs"),
        pytest.param('[{"bbox": (1, 2, 3, 4), "label": "a"}]', [("a", (1, 2, 3, 4), "")], id="a tuple"),
        pytest.param('[{"bbox": [1, 2, 3, 4, "label": "a"}]', [("a", (1, 2, 3, 4), "")], id="the box is not closed"),
        pytest.param('[{"bbox": [1, 2, 3, 4], "label": "a"]', [("a", (1, 2, 3, 4), "")], id="the object is not closed"),
        pytest.param(
            '{"man": [1,2,3,4], "cat": [5,6,7,8]}',
            [("man", (1, 2, 3, 4), ""), ("cat", (5, 6, 7, 8), "")],
            id="labels as keys",
        ),
        pytest.param(
            '[{"bbox": [1,2,3,4], "label": "man", "description": {"hands": "six", "feet": ["a", "b"]}}]',
            [("man", (1, 2, 3, 4), "hands: six; feet: a, b")],
            id="texts by body part",
        ),
        pytest.param("[1, 2, 3, 4]", [("", (1, 2, 3, 4), "")], id="a box alone"),
        pytest.param(
            '<think>[{"bbox": [7,7,9,9], "label": "b"}]</think>[{"bbox": [1,2,3,4], "label": "a"}]',
            [("a", (1, 2, 3, 4), "")],
            id="reasoning does not count",
        ),
        pytest.param(
            "<ref>a</ref><box>[[1,2,3,4],[5,6,7,8]]</box>",
            [("a", (1, 2, 3, 4), ""), ("a", (5, 6, 7, 8), "")],
            id="two boxes in one tag",
        ),
        pytest.param(
            "狗【１２，３０，２００，１８０】：有五条腿。",
            [("狗", (12, 30, 200, 180), "有五条腿。")],
            id="Chinese list",
        ),
    ],
)
def test_near_misses(text: str, expected: list[Plain]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "kept", "reason"),
    [
        pytest.param(f"[{OBJECT}, {OBJECT[:60]}", 1, None, id="inside the second object"),
        pytest.param(f"[{OBJECT}, {OBJECT[:24]}", 1, None, id="inside its box"),
        pytest.param(f"[{OBJECT}", 1, None, id="behind an object"),
        pytest.param(f"[{OBJECT[:60]}", 0, Reason.CUT_OFF, id="its only object, though the box is complete"),
        pytest.param(f"[{OBJECT[:20]}", 0, Reason.CUT_OFF, id="inside the only box: 20 may have been 200"),
        pytest.param("[", 0, Reason.CUT_OFF, id="an open list is no empty list"),
        pytest.param("<ref>dog</ref><box>[[12,30", 0, Reason.CUT_OFF, id="inside a tagged box"),
        pytest.param("<ref>a</ref><box>[[1,2,3,4]]</box><ref>b</ref><box>[[12", 1, None, id="inside the second tag"),
        pytest.param("The dog at [12, 30", 0, Reason.CUT_OFF, id="in prose"),
    ],
)
def test_cut_off_keeps_complete_entities_only(text: str, kept: int, reason: Reason | None) -> None:
    answer = parse_entities(text)
    assert (len(answer.entities), answer.reason, answer.truncated) == (kept, reason, True)
    assert answer.dropped == {}


@pytest.mark.parametrize(
    ("box", "why"),
    [
        pytest.param("[1, 2, 3]", "not_four_numbers", id="three"),
        pytest.param("[1, 2, 3, 4, 5]", "not_four_numbers", id="five"),
        pytest.param("null", "not_four_numbers", id="null"),
        pytest.param('["a", 2, 3, 4]', "not_four_numbers", id="a word"),
        pytest.param("[true, 0, 3, 4]", "not_four_numbers", id="a boolean"),
        pytest.param("[NaN, 2, 3, 4]", "not_finite", id="NaN"),
        pytest.param("[1, 2, 3, 1e999]", "not_finite", id="infinite"),
        pytest.param("[1, 2, 3, 1" + "0" * 400 + "]", "not_finite", id="an integer beyond floats"),
        pytest.param("[3, 2, 1, 4]", "reversed_corners", id="x reversed"),
        pytest.param("[1, 4, 3, 2]", "reversed_corners", id="y reversed"),
        pytest.param("[1, 2, 1, 4]", "zero_area", id="a line"),
    ],
)
def test_a_bad_box_is_dropped_and_counted(box: str, why: str) -> None:
    answer = parse_entities(f'[{{"bbox_2d": {box}, "label": "a"}}, {OBJECT}, {OBJECT}]')
    assert answer.dropped == {why: 1}
    assert len(answer.entities) == 2, "duplicates are kept"


def test_nothing_but_bad_boxes_was_still_read() -> None:
    answer = parse_entities('[{"label": "dog", "description": "x"}, {"bbox": [1, 1, 1, 1]}]')
    assert (answer.entities, answer.reason, answer.dropped) == ((), None, {"no_box": 1, "zero_area": 1})


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "```json\n[]\n```",
        '{"entities": []}',
        "[ ]\nNothing is wrong.",
        "None.",
        "No flawed entities",
        "There are no such entities.",
        "I looked closely. There are no implausible entities in it.",
        "I did not find any implausible entities.",
        "The image does not appear to contain any implausible entities.",
        "Everything in the image looks real.",
        "All entities in the image appear realistic.",
        "没有这样的实体。",
        "<think>[{</think>[]",
    ],
)
def test_an_explicit_empty_answer(text: str) -> None:
    answer = parse_entities(text)
    assert (answer.entities, answer.reason, answer.dropped, answer.truncated) == ((), None, {}, False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(" \n", Reason.EMPTY, id="empty"),
        pytest.param(FAILED, Reason.REQUEST_FAILED, id="the failure marker"),
        pytest.param(f"<think>[{OBJECT}]", Reason.UNFINISHED_REASONING, id="entities of unfinished reasoning"),
        pytest.param("The dog has five legs.", Reason.NO_ENTITY, id="no box"),
        pytest.param("There are no odd people, but the dog has five legs.", Reason.NO_ENTITY, id="taken back"),
        pytest.param("The dog is odd. There are no other such entities.", Reason.NO_ENTITY, id="no other"),
        pytest.param("I'm sorry, I can't identify any people.", Reason.NO_ENTITY, id="a refusal"),
        pytest.param("Yes", Reason.NO_ENTITY, id="an answer to something else"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, reason: Reason) -> None:
    assert parse_entities(text).reason is reason


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(ENTITY, min_size=1, max_size=3), st.data())
def test_an_answer_cut_anywhere_gives_only_entities_of_the_whole(entities: list[Plain], data: st.DataObject) -> None:
    whole = json.dumps(as_dicts(entities))
    kept = read(whole[: data.draw(st.integers(0, len(whole)))])
    assert kept == entities[: len(kept)]


PAIR = as_json([DOG, CAT])
A, B = (as_json([entity])[1:-1] for entity in (DOG, CAT))

BROKEN = {
    "a lone fence": f"```json\n{PAIR}",
    "a fence that ends alone": f"{PAIR}\n```",
    "a fence without a name": f"```\n{PAIR}\n```",
    "JSON lines": f"{A}\n{B}",
    "objects behind each other": f"{A} {B}",
    "objects with a comma": f"{A}, {B}",
    "the list is not opened": f"{A}, {B}]",
    "the list is not closed": f"[{A}, {B}",
    "two lists": f"[{A}]\n[{B}]",
    "two lists on a line": f"[{A}], [{B}]",
    "a list in a list": f"[[{A}, {B}]]",
    "a list in an object": f'{{"entities": {PAIR}}}',
    "a comma is missing": f"[{A} {B}]",
    "a comma twice": f"[{A},, {B}]",
    "a comma at the end": f"[{A}, {B},]",
    "the box is not closed": f"[{A}, {B}]".replace("180.0]", "180.0"),
    "the box has lost both": f"[{A}, {B}]".replace("[12.0, 30.0, 200.0, 180.0]", '"12, 30, 200, 180"'),
    "Python": str([dict(one) for one in json.loads(PAIR)]),
    "a comment": f"[{A}, // the dog\n{B}]",
    "words around": f"Here you are:\n{PAIR}\nI hope that this helps!",
    "numbered": f"1. {A}\n2. {B}",
    "names before": f"The dog: {A}\nThe cat: {B}",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_broken_containers(text: str) -> None:
    answer = parse_entities(text)
    assert read(text) == [DOG, CAT]
    assert answer.dropped == {}
