"""Any text at all: nothing raises, and time is linear in its length."""

import contextlib
import json
import math
from collections.abc import Callable

import pytest
from doubling import assert_linear
from entity_styles import DOG, OBJECT, STYLES
from hypothesis import given, settings
from hypothesis import strategies as st

from qreal_tasks.answers import (
    Judgment,
    ParsedEntities,
    extract_answer_text,
    locate_regions,
    parse_entities,
    parse_input_size,
    parse_judgment,
    parse_only_json,
    parse_scores,
    parse_unanswered,
)
from qreal_tasks.boxes import Space

pytestmark = pytest.mark.slow

MARKS = (("say", "?"), ("<dog>", "<five>"))
PIECES = st.sampled_from(
    [
        *"[]{}(),:\"'`<>|\\/#*\n .“”「，【１\ud800\x00",
        *(
            "true",
            "NaN",
            "1e999",
            "12",
            "-0.5",
            "[1, 2, 3, 4]",
            "(1,2),(3,4)",
            "x1=",
            "\\u12",
            "\\ud83d\\ude00",
        ),
        *('"bbox_2d"', "bbox:", "label:", '"description":', OBJECT, "```json", "- ", "1. ", "**", "//", "/*"),
        *(
            "<ref>",
            "</ref>",
            "<box>",
            "</box>",
            "<|box_start|>",
            "<label>",
            "<description>",
            "<think>",
            "</think>",
        ),
        *(
            "◁think▷",
            "[/THINK]",
            "<|channel|>analysis",
            "<|channel|>final<|message|>",
            "<channel|>",
            "<answer>",
            "</answer>",
        ),
        *(
            "\\boxed{",
            "<|begin_of_box|>",
            "Final answer:",
            "\nAnswer: ",
            "[]",
            "<none>",
            "<dog>",
            "<[1, 2, 3, 4]>",
            "<five>",
        ),
        *(
            '"x": 1',
            '"y": 2,',
            '"width": 3',
            '"top_left": [1, 2]',
            "x=1, y=2, w=3, h=4",
            "<|ref|>",
            "<|/det|>",
            "<quad>",
        ),
        *(
            '"labels": ["a"]',
            '"bboxes": [[1,2,3,4]]',
            '{"a": [1, 2, 3, 4]}',
            '\\"',
            '{\\"a\\": ',
            '"box_1": [1, 2, 3, 4]',
        ),
        *("yes", "No", " or ", "answer", "是", "没有", "say ", "can't ", '"yes"', "?", ", but ", " would be wrong"),
    ]
)
ANY_TEXT = st.text(st.characters(), max_size=80) | st.lists(PIECES, max_size=25).map("".join)


@settings(max_examples=500, deadline=None)
@given(ANY_TEXT)
def test_no_text_raises(text: str) -> None:
    judgment = parse_judgment(text, reasoning_marks=MARKS)
    assert (judgment.answer is None) == (judgment.reason is not None)
    answer = parse_entities(text, reasoning_marks=MARKS)
    assert not (answer.reason and (answer.entities or answer.dropped))
    assert all(count > 0 for count in answer.dropped.values())
    for entity in answer.entities:
        x1, y1, x2, y2 = entity.box
        assert all(map(math.isfinite, entity.box))
        assert x1 < x2
        assert y1 < y2
    located = locate_regions(answer, Space.UNIT, 800, 600)
    assert len(located.regions) + sum(located.dropped.values()) == len(answer.entities) + sum(answer.dropped.values())
    assert located.clipped <= len(located.regions)
    parse_scores(text)
    parse_input_size(text)


BAIT = {
    "open lists": "[",
    "open objects": '{"a":',
    "quotes": '"',
    "opened strings": '["',
    "quotes in a string": '{"a":" ',
    "comments": "[/*",
    "spaces": "[ ",
    "boxes": "[1,2,3,4]",
    "points": "(1,2),",
    "numbers": "1 ",
    "tags": "<box>",
    "reasoning": "<think></think>",
    "prepositions": "at in ",
    "bold": "**",
    "fields": "description: a\n",
    "determiners": "no a ",
    "labels": "answer is the ",
    "surrogates": "\ud800",
}


MORE_BAIT = [
    *("<think>", "</think>", "<think ", "<think a=b ", "&lt;", "◁", "[THINK]", "<|channel|>analysis ", "## Thinking\n"),
    *("<answer>", "</answer>", "<answer></answer>", "\\boxed{", "\\boxed{ }", "<|begin_of_box|>1<|end_of_box|>"),
    *("Answer:\n", "final answer ", "\nso the ", "\n>#", "[] ", "[]\n", "{} ", "[{}]", "no flawed entities. "),
    *("<dog>", "<dog><[1,2,3,4]>", "<1,2>", "> <", "<|ref|>", "<|det|>[[1,2,3,4]]", "<quad>", "<box></box><quad>"),
    *('"bbox_2d": ', '"label": "a", ', '{"a":1,"a":1,', '["a":', '{"a":{"a":', '[{\\"a\\":', "\\\\", '"[', '{"a":"['),
    *("x=1, ", "left: 1 ", "(x: 1, y: 2, w: 3, h: 4) ", '{"x":1,"y":2},', "box_1: "),
    *("yes ", "say yes ", '"yes" ', "yes and ", "a yes is ", "not ", "yes? ", "can't, ", "没有 "),
]


@pytest.mark.parametrize("piece", [*BAIT.values(), *MORE_BAIT], ids=[*BAIT, *map(repr, MORE_BAIT)])
def test_bait_is_read_to_its_end(piece: str) -> None:
    """A reader that is quadratic or worse in any of these would not come back for minutes."""
    text = piece * (100_000 // len(piece)) + " [1, 2, 3, 4]"  # a box at the end sends it through every style
    assert isinstance(parse_entities(text), ParsedEntities)
    assert isinstance(parse_judgment(text), Judgment)


MORE_OF_ONE_THING = [
    ("<ref>a</ref>", "<box>1,2,3,4</box>"),
    ("<|ref|>a<|/ref|>", "<|det|>[[1,2,3,4]]<|/det|>"),
    ("<dog>", "<[1,2,3,4]>"),
    ('{"label": "a", ', '"bbox_2d": [1,2,3,4], '),
    ('{"bboxes": [', "[1,2,3,4], "),
    ("- a: ", "[1,2,3,4] "),
    ("I cannot say ", "yes, "),
]


@pytest.mark.parametrize(("beginning", "piece"), MORE_OF_ONE_THING)
def test_more_and_more_of_one_thing_is_read_to_its_end(beginning: str, piece: str) -> None:
    text = beginning + piece * (100_000 // len(piece))
    assert isinstance(parse_entities(text), ParsedEntities)
    assert isinstance(parse_judgment(text), Judgment)


READERS: dict[str, Callable[[str], object]] = {
    "entities": parse_entities,
    "judgment": parse_judgment,
    "beside": lambda text: (parse_scores(text), parse_input_size(text), parse_unanswered(text)),
    "a reason beside": lambda text: parse_unanswered(json.dumps({"unanswered": text})),
    "JSON alone": lambda text: _tried(lambda: parse_only_json(extract_answer_text(text).text)),
}
FAMILIES = [*(("", piece) for piece in (*BAIT.values(), *MORE_BAIT)), *MORE_OF_ONE_THING]


def _tried(read: Callable[[], object]) -> None:
    with contextlib.suppress(ValueError, RecursionError):
        read()


@pytest.mark.parametrize("reader", READERS)
def test_a_text_of_twice_the_length_takes_twice_as_long(reader: str) -> None:
    for beginning, piece in FAMILIES:
        once, twice = (beginning + piece * (length // len(piece)) for length in (10_000, 20_000))
        assert_linear(READERS[reader], once, twice, f"{beginning}{piece!a}")


@pytest.mark.parametrize("style", ["json", "json, fence and list not closed", "internvl", "markdown list"])
def test_ten_thousand_boxes(style: str) -> None:
    assert len(parse_entities(STYLES[style]([DOG] * 10_000)).entities) == 10_000
