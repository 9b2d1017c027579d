"""Boxes whose numbers have names, in any order and any form."""

from __future__ import annotations

import pytest

from qreal_tasks.answers import parse_entities

BOX = (10.0, 20.0, 30.0, 50.0)


@pytest.mark.parametrize(
    "box",
    [
        '{"x": 10, "y": 20, "width": 20, "height": 30}',
        '{"x": 10, "y": 20, "w": 20, "h": 30}',
        '{"left": 10, "top": 20, "width": 20, "height": 30}',
        '{"xmin": 10, "ymin": 20, "width": 20, "height": 30}',
        '{"left": 10, "top": 20, "right": 30, "bottom": 50}',
        '{"ymin": 20, "xmin": 10, "ymax": 50, "xmax": 30}',
        '{"x0": 10, "y0": 20, "x1": 30, "y1": 50}',
        '{"x1": "10px", "y1": "20px", "x2": "30px", "y2": "50px"}',
        '{"xMin": 10, "yMin": 20, "xMax": 30, "yMax": 50}',
        '{"min_x": 10, "min_y": 20, "max_x": 30, "max_y": 50}',
        '{"top_left": [10, 20], "bottom_right": [30, 50]}',
        '{"topLeft": {"x": 10, "y": 20}, "bottomRight": {"x": 30, "y": 50}}',
        '{"bottom_left": [10, 50], "top_right": [30, 20]}',
        '{"top_left": [10, 20], "width": 20, "height": 30}',
        '{"position": {"x": 10, "y": 20}, "size": {"width": 20, "height": 30}}',
        '{"cx": 20, "cy": 35, "w": 20, "h": 30}',
        '{"x_center": 20, "y_center": 35, "width": 20, "height": 30}',
        '{"center": [20, 35], "width": 20, "height": 30}',
        '"x=10, y=20, width=20, height=30"',
        '"ymin: 20, xmin: 10, ymax: 50, xmax: 30"',
        '[{"x": 10, "y": 20}, {"x": 30, "y": 50}]',
    ],
)
def test_a_named_box_is_read_as_named(box: str) -> None:
    inside = parse_entities(f'[{{"bbox_2d": {box}, "label": "dog", "description": "x"}}]')
    assert [(e.label, e.box, e.description, e.named) for e in inside.entities] == [("dog", BOX, "x", True)]
    if box.startswith("{"):
        around = parse_entities(f'[{{"label": "dog", "description": "x", {box[1:-1]}}}]')
        assert around == inside


@pytest.mark.parametrize(
    "text",
    [
        "The dog (ymin=20, xmin=10, ymax=50, xmax=30) is odd.",
        "The dog (x: 10, y: 20, w: 20, h: 30) is odd.",
        "The dog with left: 10, top: 20, right: 30, bottom: 50 is odd.",
        "<dog><ymin=20, xmin=10, ymax=50, xmax=30><odd>",
        "<ref>dog</ref><box>ymin=20, xmin=10, ymax=50, xmax=30</box>",
    ],
)
def test_names_in_sentences_and_tags(text: str) -> None:
    assert [(e.label, e.box, e.named) for e in parse_entities(text).entities] == [("dog", BOX, True)]


def test_a_box_without_names_is_not_named() -> None:
    text = '[{"box_2d": [10, 20, 30, 50], "label": "a"}, {"bbox_2d": [10, 20, 30, 50]}, {"box_2d": {"x1": 1, "y1": 2, '
    answer = parse_entities(text + '"x2": 3, "y2": 4}}]')
    assert [e.named for e in answer.entities] == [False, False, True]
    assert answer.under_box_2d == 1


@pytest.mark.parametrize(
    ("entity", "why"),
    [
        pytest.param('{"x": 10, "y": 20, "label": "a"}', "unknown_names", id="a point"),
        pytest.param('{"bbox": {"x": 10, "y": 20}, "label": "a"}', "unknown_names", id="a point in a box"),
        pytest.param('{"point_2d": [10, 20], "label": "a"}', "unknown_names", id="Qwen's point"),
        pytest.param('{"polygon": [[1, 2], [3, 4], [5, 6]], "label": "a"}', "unknown_names", id="a polygon"),
        pytest.param('{"bbox": {"left": 1, "top": 2, "right": 3}, "label": "a"}', "unknown_names", id="three sides"),
        pytest.param('{"x": "left", "y": 2, "w": 3, "h": 4, "label": "a"}', "not_four_numbers", id="a word"),
        pytest.param('{"x": 1, "y": 2, "w": 0, "h": 4, "label": "a"}', "zero_area", id="no width"),
        pytest.param('{"x": 1, "y": 2, "w": -3, "h": 4, "label": "a"}', "reversed_corners", id="less than no width"),
        pytest.param('{"label": "a", "description": "b"}', "no_box", id="no box at all"),
    ],
)
def test_what_is_no_box_is_counted_for_what_it_is(entity: str, why: str) -> None:
    answer = parse_entities(f"[{entity}]")
    assert (answer.entities, answer.dropped) == ((), {why: 1})
