"""JSON in other shapes than a list of entities: parallel lists, rows, labels as keys, JSON in strings."""

from __future__ import annotations

import json

import pytest
from entity_styles import as_json, read

from qreal_tasks.answers import parse_entities

HAND = ("hand", (10.0, 20.0, 30.0, 40.0), "six fingers")
DOG = ("dog", (50.0, 60.0, 70.0, 80.0), "five legs")
BOXES = [[10, 20, 30, 40], [50, 60, 70, 80]]
LIST = as_json([HAND, DOG])


def bare(*entities: tuple[str, tuple[float, ...], str]) -> list[object]:
    return [(label, box, "") for label, box, _ in entities]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            json.dumps({"bboxes": BOXES, "labels": ["hand", "dog"], "descriptions": ["six fingers", "five legs"]}),
            [HAND, DOG],
            id="parallel lists",
        ),
        pytest.param(
            str({"<OD>": {"bboxes": BOXES, "labels": ["hand", "dog"]}}), bare(HAND, DOG), id="Florence-2 in Python"
        ),
        pytest.param(
            json.dumps({"label": ["hand", "dog"], "bbox_2d": BOXES, "description": ["six fingers", "five legs"]}),
            [HAND, DOG],
            id="columns",
        ),
        pytest.param(json.dumps({"bboxes": BOXES, "labels": ["hand"]}), [*bare(HAND), ("hand", DOG[1], "")], id="one"),
        pytest.param(
            json.dumps({"bboxes": BOXES, "labels": ["a", "b", "c"]}),
            [("", HAND[1], ""), ("", DOG[1], "")],
            id="labels that cannot be told apart",
        ),
        pytest.param(json.dumps({"objects": BOXES}), [("", HAND[1], ""), ("", DOG[1], "")], id="no labels"),
        pytest.param(
            json.dumps([["hand", BOXES[0], "six fingers"], ["dog", BOXES[1], "five legs"]]), [HAND, DOG], id="rows"
        ),
        pytest.param('[[10, 20, 30, 40, "hand", "six fingers"]]', [HAND], id="a flat row"),
        pytest.param('[{"hand": [10, 20, 30, 40], "description": "six fingers"}]', [HAND], id="label as key"),
        pytest.param(json.dumps({"hand": BOXES}), [*bare(HAND), ("hand", DOG[1], "")], id="label as key of boxes"),
        pytest.param('{"hand": "[10, 20, 30, 40]"}', bare(HAND), id="label as key of a text"),
        pytest.param(
            '{"hand": {"bbox_2d": [10, 20, 30, 40], "description": "six fingers"}}',
            [HAND],
            id="label as key of an object",
        ),
        pytest.param(
            '{"hand": {"x": 10, "y": 20, "width": 20, "height": 20}, "dog": {"box": [50, 60, 70, 80]}}',
            bare(HAND, DOG),
            id="labels as keys of objects",
        ),
        pytest.param(
            '{"hand": [{"bbox": [10, 20, 30, 40], "issue": "six fingers"}]}',
            [HAND],
            id="label as key of a list of objects",
        ),
        pytest.param(
            '{"person": {"hand": {"bbox": [10, 20, 30, 40], "label": "left hand"}}}',
            [("left hand", HAND[1], "")],
            id="its own label first",
        ),
        pytest.param(
            '{"flawed_entities": {"bbox_2d": [10, 20, 30, 40]}, "entity_2": {"bbox_2d": [50, 60, 70, 80]}}',
            [("", HAND[1], ""), ("", DOG[1], "")],
            id="keys that are no labels",
        ),
        pytest.param('{"label": "hand", "rect": [10, 20, 30, 40], "description": "six fingers"}', [HAND], id="rect"),
        pytest.param(json.dumps(LIST), [HAND, DOG], id="JSON in a string"),
        pytest.param(json.dumps(json.dumps(LIST)), [HAND, DOG], id="JSON in a string in a string"),
        pytest.param(json.dumps(LIST)[1:-1], [HAND, DOG], id="escaped without quotes around"),
        pytest.param(f"```json\n{json.dumps(LIST)}\n```", [HAND, DOG], id="JSON in a string in a fence"),
        pytest.param(
            f"The answer: {json.dumps(json.dumps([*json.loads(LIST)], indent=1))}", [HAND, DOG], id="indented"
        ),
        pytest.param(json.dumps({"answer": LIST}), [HAND, DOG], id="JSON in a field"),
        pytest.param(json.dumps([json.dumps(entity) for entity in json.loads(LIST)]), [HAND, DOG], id="a list of JSON"),
        pytest.param(str({"answer": LIST}), [HAND, DOG], id="JSON in a field in Python"),
        pytest.param(
            '"label": "hand"\n"bbox_2d": [10, 20, 30, 40]\n"description": "six fingers"\n\nDone.', [HAND], id="fields"
        ),
        pytest.param("bbox_2d: [10, 20, 30, 40]\nlabel: hand\ndescription: six fingers", [HAND], id="the box first"),
    ],
)
def test_other_shapes(text: str, expected: list[object]) -> None:
    answer = parse_entities(text)
    assert read(text) == expected
    assert (answer.dropped, answer.truncated) == ({}, False)


def test_a_broken_box_of_a_list_costs_only_itself() -> None:
    answer = parse_entities('{"bboxes": [[10, 20, 30, 40], [1, 2, 3]], "labels": ["hand", "dog"]}')
    assert [(e.label, e.box) for e in answer.entities] == [HAND[:2]]
    assert answer.dropped == {"not_four_numbers": 1}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": {"b": {"c": "[10, 20, 30, 40] and more"}}}',
        '{"note": "hand at [10, 20, 30, 40]", "fine": true}',
        '[{"what": "the hand", "where": "near (10, 20, 30, 40)"}]',
    ],
)
def test_leftovers_of_json_are_no_entities(text: str) -> None:
    answer = parse_entities(text)
    assert (answer.entities, str(answer.reason)) == ((), "no_entity")


@pytest.mark.parametrize(
    "result",
    ["says <answer>[]</answer>", "Final answer: none", "[THINK] and </think>", "the list is []", r"\boxed{[]}"],
)
def test_marks_inside_of_json_are_text(result: str) -> None:
    sign = [("sign", (1.0, 2.0, 3.0, 4.0), result)]
    assert read(as_json(sign)) == sign
    assert read(f"```json\n{as_json(sign)}\n```<|im_end|>") == sign


A, B = as_json([HAND]), as_json([DOG])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"### Realism issues\n```json\n{A}\n```\n### Plausibility issues\n```json\n[]\n```", [HAND]),
        (f"### Realism issues\n```json\n[]\n```\n### Plausibility issues\n```json\n{A}\n```", [HAND]),
        (f"{A}\n(I would otherwise return [].)", [HAND]),
        (f"1. Hand: {A}\n2. Dog: {B}", [HAND, DOG]),
        (f"{A} and {B}", [HAND, DOG]),
        (f"{A}\nAlso:\n{B}", [HAND, DOG]),
        (f"Faces: {A}\nHands: []", [HAND]),
        (f"Faces: {A}\nHands: []\nAnimals: {B}", [HAND, DOG]),
        (f"{A}\nThe same once more, with the dog:\n{LIST}", [HAND, DOG]),
        (f"{A}\nWait, that hand is fine: {B}", [DOG]),
        (f"{A}\nA rather odd animal beside people who wait: {B}", [HAND, DOG]),
        (f"{LIST}\nRevised list: {B}", [DOG]),
        (f"Draft: {A}\nList: {B}", [DOG]),
        (f"{A}\nActually it has five fingers.\n[]", []),
        (f"{A}\nOn second thought: []", []),
    ],
)
def test_lists_add_up_unless_one_corrects_another(text: str, expected: list[object]) -> None:
    assert read(text) == expected
    assert parse_entities(text).reason is None


@pytest.mark.parametrize("label", ["type", "type_label", "entity_type", "category", "class", "name"])
@pytest.mark.parametrize("result", ["explanation", "reason", "reasoning"])
@pytest.mark.parametrize("box", ["coordinates", "coordinate", "location", "position"])
def test_other_names_of_the_fields(label: str, result: str, box: str) -> None:
    assert read(json.dumps([{label: "hand", box: [10, 20, 30, 40], result: "six fingers"}])) == [HAND]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"label": "hand", "coordinates": {"x": [10, 30], "y": [20, 40]}}]', bare(HAND)),
        ('[{"label": "hand", "x": [10, 30], "y": [20, 40]}]', bare(HAND)),
        ('[{"entity": "hand", "type": "human", "bbox": {"y": [20, 40], "x": [10, 30]}}]', bare(HAND)),
        ('{"hand": {"type": "human", "bbox": [10, 20, 30, 40]}}', bare(HAND)),
        ('[{"bbox_2d": [10, 20, 30, 40], "bbox_2d": [10, 20, 30, 40], "label": "hand"}]', bare(HAND)),
        ("[{'label': 'hand', 'bbox_2d': [10, 20, 30, 40], 'bbox_2d': [10, 20, 30, 40]}]", bare(HAND)),
        ('{"label": "hand", "bbox": [10, 20, 30, 40], "bbox": [10, 20, 30, 40],}', bare(HAND)),
        ('{"labels": ["hand", "dog"], "bboxes": [[10, 20, 30, 40]]}', bare(HAND)),
        ('{"bboxes": [[10, 20, 30, 40]], "labels": ["hand", "dog"], "descriptions": ["six fingers", "x"]}', [HAND]),
        ('{"boxes": [[10, 20, 30, 40]], "labels": ["hand", "dog", "cat"]}', bare(HAND)),
    ],
)
def test_ranges_repeats_and_longer_lists(text: str, expected: list[object]) -> None:
    assert read(text) == expected
