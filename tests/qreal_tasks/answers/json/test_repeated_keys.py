"""Objects that stand for several entities: keys that come again, lost braces, entities inside of entities."""

from __future__ import annotations

import json

import pytest
from entity_styles import as_dicts, read
from hypothesis import given, settings
from hypothesis import strategies as st

from qreal_tasks.answers import parse_entities
from qreal_tasks.answers.json.loose import parse_loose_json

HAND = ("hand", (10.0, 20.0, 30.0, 40.0), "six fingers")
DOG = ("dog", (50.0, 60.0, 70.0, 80.0), "five legs")
A, B = map(json.dumps, as_dicts([HAND, DOG]))


def box(n: int) -> tuple[float, ...]:
    return (n, n + 1, n + 2, n + 3)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"[{A[:-1]}, {B[1:]}]", id="one object for two"),
        pytest.param(f"[{A[:-1]}, {B[1:]}]".replace('"', "'"), id="in Python quotes"),
        pytest.param(f"{A[:-1]}, {B[1:]}", id="without a list"),
        pytest.param(f"Here it is: {A[:-1]}, {B[1:]} Done.", id="in prose"),
        pytest.param(f'{{"entity": {A}, "entity": {B}}}', id="the key of an object"),
        pytest.param(f'{{"entity": {A}, "entity": {B}}}'.replace('"', "'"), id="the key of an object, in Python"),
        pytest.param(f'{{"entities": {{{A[1:-1]}, {B[1:-1]}}}}}', id="an object where a list belongs"),
        pytest.param(f"[{A}, {B[1:]}]", id="an opening brace is lost"),
        pytest.param(f"[{A[:-1]}, {B}]", id="a closing brace is lost"),
        pytest.param(f'{{"entities": [{A}, {B[1:]}]}}', id="an opening brace in a list in an object"),
        pytest.param(f'{{"entities": [{A[:-1]}, {B}]}}', id="a closing brace in a list in an object"),
        pytest.param(f"{A[1:-1]},\n{B[1:-1]}", id="all braces are lost"),
        pytest.param(f"[{A[1:-1]}, {B[1:-1]}]", id="all braces in a list are lost"),
        pytest.param(f'{{"first": {A}, "second": {B}}}', id="two keys"),
        pytest.param(
            '{"bbox_1": [10, 20, 30, 40], "label_1": "hand", "description_1": "six fingers", '
            '"bbox_2": [50, 60, 70, 80], "label_2": "dog", "description_2": "five legs"}',
            id="numbered keys",
        ),
    ],
)
def test_both_entities_are_read(text: str) -> None:
    answer = parse_entities(text)
    assert read(text) == [HAND, DOG]
    assert (answer.dropped, answer.truncated) == ({}, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            '{"bbox_2d": [1,2,3,4], "label": "a", "bbox_2d": [5,6,7,8], "label": "b", "bbox_2d": [9,10,11,12], '
            '"label": "c"}',
            [("a", box(1), ""), ("b", box(5), ""), ("c", box(9), "")],
            id="three",
        ),
        pytest.param(
            '{"label": "a", "bbox_2d": [1,2,3,4], "label": "b", "bbox_2d": [5,6,7,8]}',
            [("a", box(1), ""), ("b", box(5), "")],
            id="the label first",
        ),
        pytest.param(
            '{"label": "a", "bbox_2d": [1,2,3,4], "label": "a", "bbox_2d": [5,6,7,8]}',
            [("a", box(1), ""), ("a", box(5), "")],
            id="the same label again",
        ),
        pytest.param(
            '{"bbox_2d": [1,2,3,4], "bbox_2d": [5,6,7,8], "label": "a", "description": "x"}',
            [("a", box(1), "x"), ("a", box(5), "x")],
            id="one label for two boxes",
        ),
        pytest.param(
            '{"bbox_2d": [1,2,3,4], "label": "man", "parts": [{"bbox_2d": [5,6,7,8], "label": "arm"}]}',
            [("man", box(1), ""), ("arm", box(5), "")],
            id="an entity inside of an entity",
        ),
        pytest.param(
            '{"bbox_2d": [1,2,3,4], "label": "man", "issues": [{"bbox_2d": [5,6,7,8], "issue": "arm"}]}',
            [("man", box(1), ""), ("", box(5), "arm")],
            id="an entity in a field of an entity",
        ),
        pytest.param(
            '[{"bbox_2d": [1,2,3,4], "label": "a", "bbox_2d": [5,6,7,8], "label": "b", "bbox_2d": [9,10',
            [("a", box(1), "")],
            id="cut off: b may go on",
        ),
    ],
)
def test_objects_that_stand_for_several(text: str, expected: list[object]) -> None:
    assert read(text) == expected


def test_what_cannot_be_an_entity_is_counted() -> None:
    answer = parse_entities('{"label": "a", "label": "b", "bbox_2d": [1, 2, 3, 4]}')
    assert ([entity.label for entity in answer.entities], answer.dropped) == (["b"], {"no_box": 1})


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), min_size=1, max_size=8), st.booleans())
def test_pieces_hold_all_that_was_written(pairs: list[tuple[str, int]], strict: bool) -> None:
    text = "{" + ", ".join(f'"{key}": {item}' for key, item in pairs) + ("}" if strict else ",}")
    (found,) = parse_loose_json(text).values
    pieces = [found] if isinstance(found, dict) else found
    assert [pair for piece in pieces for pair in piece.items()] == pairs
