"""From text to verdicts and entities: every style that models write, and any text at all."""

import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qreal_tasks.answers import (
    Entities,
    Judgment,
    Located,
    Reason,
    Scores,
    loose_json,
    parse_entities,
    parse_input_size,
    parse_judgment,
    parse_scores,
    parse_unanswered,
    regions_in_pixels,
)
from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, imageqa_prompt, objectqa_prompt
from qreal_tasks.boxes import Space

FAILED = "[LMMS_EVAL_REQUEST_FAILED: timeout] Yes"


# --- Yes or No ---


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param("Yes", "Yes", id="the word"),
        pytest.param("yes.", "Yes", id="lower case, full stop"),
        pytest.param("**Yes**.", "Yes", id="bold"),
        pytest.param("_No_", "No", id="underscores are no letters"),
        pytest.param('"No"', "No", id="quoted"),
        pytest.param("(Yes)", "Yes", id="brackets"),
        pytest.param("A. Yes", "Yes", id="option"),
        pytest.param("(B) No", "No", id="option in brackets"),
        pytest.param("No<|im_end|>", "No", id="special token"),
        pytest.param("Yes, because there is no visible seam, no.", "Yes", id="the opening verdict decides"),
        pytest.param("No, it does not. Otherwise yes.", "No", id="the opening verdict decides, No"),
        pytest.param("No it does not", "No", id="a clause follows without a comma"),
        pytest.param("No - the dog is fine", "No", id="dash"),
        pytest.param('```json\n{"answer": "Yes"}\n```', "Yes", id="JSON in a fence"),
        pytest.param('{"answer": "Yes', "Yes", id="JSON cut off"),
        pytest.param('{"reason": "no seam, yes", "answer": "No"}', "No", id="a label beats the rest"),
        pytest.param('{"answer": true}', "Yes", id="a labelled boolean"),
        pytest.param("Answer: No", "No", id="label"),
        pytest.param("The answer to this question is **no**.", "No", id="label in a sentence"),
        pytest.param("Final answer: Yes", "Yes", id="final answer"),
        pytest.param("<answer>Yes</answer> No text is visible", "Yes", id="a closing tag is no label"),
        pytest.param(r"\boxed{Yes}", "Yes", id="boxed"),
        pytest.param("Is it? Yes.\nIs it not? No.\n\nNo", "No", id="a last line of its own decides"),
        pytest.param("The hand has six fingers, so yes.", "Yes", id="the only verdict in a sentence"),
        pytest.param("Yes or no? Yes", "Yes", id="behind an echo of the choices"),
        pytest.param("Yes/No: No", "No", id="behind the choices with a slash"),
        pytest.param("<think>No. Or yes?</think>Yes", "Yes", id="after the reasoning"),
        pytest.param("the seam, no\n</think>\nYes", "Yes", id="reasoning that the prompt opened"),
        pytest.param("Yeah", "Yes", id="yeah"),
        pytest.param("Nope.", "No", id="nope"),
        pytest.param("是", "Yes", id="Chinese yes"),
        pytest.param("不是。", "No", id="Chinese no"),
        pytest.param("答案是否", "No", id="Chinese label without a space"),
        pytest.param("“No”", "No", id="typographic quotes"),
        pytest.param("Ｙｅｓ。", "Yes", id="full-width"),
    ],
)
def test_a_verdict_is_read(text, answer):
    judgment = parse_judgment(text)
    assert (judgment.answer, judgment.reason) == (answer, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", Reason.EMPTY, id="nothing"),
        pytest.param(" \n\x00\u200b", Reason.EMPTY, id="nothing visible"),
        pytest.param(FAILED, Reason.REQUEST_FAILED, id="the failure marker, whatever it quotes"),
        pytest.param("<think>Yes", Reason.UNFINISHED_REASONING, id="reasoning without an end"),
        pytest.param("Yes and no", Reason.AMBIGUOUS, id="hedge"),
        pytest.param("Yes or No", Reason.AMBIGUOUS, id="the choices"),
        pytest.param("A. Yes\nB. No", Reason.AMBIGUOUS, id="the options"),
        pytest.param("yes, no", Reason.AMBIGUOUS, id="a list of both"),
        pytest.param("neither yes nor no", Reason.AMBIGUOUS, id="neither"),
        pytest.param("maybe yes", Reason.AMBIGUOUS, id="taken back"),
        pytest.param("Yes. Final answer: no", Reason.AMBIGUOUS, id="two firm verdicts that differ"),
        pytest.param("It is hard to say", Reason.NO_VERDICT, id="undecided"),
        pytest.param("yesterday nothing None Noël not", Reason.NO_VERDICT, id="words that only begin alike"),
        pytest.param("There is no visible text.", Reason.NO_VERDICT, id="no as a determiner"),
        pytest.param("No visible text.", Reason.NO_VERDICT, id="also at the start"),
        pytest.param("no-one", Reason.NO_VERDICT, id="hyphen"),
        pytest.param("是否", Reason.NO_VERDICT, id="Chinese whether"),
    ],
)
def test_what_is_no_verdict_says_why(text, reason):
    judgment = parse_judgment(text)
    assert (judgment.answer, judgment.reason) == (None, reason)


@pytest.mark.parametrize("name", QUESTION_NAMES)
def test_an_echo_of_the_prompt_is_no_answer(name):
    prompt = objectqa_prompt(name, "dog")
    assert parse_judgment(prompt).reason is Reason.AMBIGUOUS
    assert parse_judgment(f"{prompt}\nNo").answer == "No"


# --- Entities ---

DOG = ("dog", (12.0, 30.0, 200.0, 180.0), "It has five legs.")
CAT = ("cat", (1.0, 2.0, 3.5, 4.0), "No tail.")
OBJECT = '{"bbox_2d": [12, 30, 200, 180], "label": "dog", "description": "It has five legs."}'


def read(text):
    return [(entity.label, entity.box, entity.description) for entity in parse_entities(text).entities]


def as_dicts(entities):
    return [{"bbox_2d": list(box), "label": label, "description": said} for label, box, said in entities]


def numbers(box):
    return ",".join(map(repr, box))


STYLES = {
    "json": lambda es: json.dumps(as_dicts(es)),
    "json pretty, in a fence": lambda es: f"Here:\n```json\n{json.dumps(as_dicts(es), indent=2)}\n```\nDone.",
    "json lines": lambda es: "\n".join(map(json.dumps, as_dicts(es))),
    "json wrapped": lambda es: json.dumps({"image": "x", "entities": as_dicts(es)}),
    "json, fence and list not closed": lambda es: "```json\n" + json.dumps(as_dicts(es))[:-1],
    "json, trailing commas": lambda es: json.dumps(as_dicts(es)).replace("}", ",}").replace("]}", ",]}"),
    "json, no commas between fields": lambda es: json.dumps(as_dicts(es)).replace(', "', ' "'),
    "python": lambda es: str(as_dicts(es)),
    "keys unquoted, comments": lambda es: (
        json.dumps(as_dicts(es), indent=1).replace('"bbox_2d"', "// next\nbbox_2d").replace('"label"', "label")
    ),
    "full-width": lambda es: (
        json.dumps(as_dicts(es), ensure_ascii=False)
        .replace('": ', '"：')
        .replace(', "', '，"')
        .replace("[", "【")
        .replace("]", "】")
    ),
    "other keys, corners": lambda es: json.dumps(
        [
            {
                "Name": label,
                "Bounding Box": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
                "issue": said,
            }
            for label, box, said in es
        ]
    ),
    "box as text": lambda es: json.dumps(
        [{"object": label, "box": f"({x1},{y1}),({x2},{y2})", "reason": said} for label, (x1, y1, x2, y2), said in es]
    ),
    "internvl": lambda es: "\n".join(
        f"<ref>{label}</ref><box>[[{numbers(box)}]]</box>: {said}" for label, box, said in es
    ),
    "qwen2-vl": lambda es: "".join(
        f"<|object_ref_start|>{label}<|object_ref_end|><|box_start|>({x1},{y1}),({x2},{y2})<|box_end|> {said}"
        for label, (x1, y1, x2, y2), said in es
    ),
    "tags": lambda es: "".join(
        f"<label>{label}</label><coordinate>[{numbers(box)}]</coordinate><description>{said}</description>"
        for label, box, said in es
    ),
    "tags not closed": lambda es: "\n".join(
        f"<label> {label} <coordinate> [{numbers(box)}] <description> {said}" for label, box, said in es
    ),
    "markdown list": lambda es: (
        "Found:\n\n"
        + "\n".join(f"{i}. **{label}** [{numbers(box)}]: {said}" for i, (label, box, said) in enumerate(es, 1))
    ),
    "markdown fields": lambda es: "\n\n".join(
        f"- **Label**: {label}\n  - **Bounding box**: [{numbers(box)}]\n  - **Description**: {said}"
        for label, box, said in es
    ),
    "plain fields": lambda es: "\n".join(
        f"label: {label}\nbbox_2d: [{numbers(box)}]\ndescription: {said}" for label, box, said in es
    ),
    "table": lambda es: (
        "| label | box |\n|---|---|\n"
        + "\n".join(f"| {label} | [{numbers(box)}] | {said} |" for label, box, said in es)
    ),
}

WORD = st.from_regex(r"[a-z]{4,9}", fullmatch=True).filter(lambda word: word not in ("none", "true", "null", "false"))
COORDINATE = st.integers(0, 4000).map(float) | st.integers(0, 999).map(lambda n: n / 1000)
ENTITY = st.tuples(
    st.tuples(WORD, WORD).map(" ".join),
    st.tuples(COORDINATE, COORDINATE, st.integers(1, 500), st.integers(1, 500)).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    st.lists(WORD, min_size=2, max_size=6).map(lambda words: " ".join(words).capitalize() + "."),
)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=25, deadline=None)
@example(entities=[DOG, CAT, DOG])
@given(entities=st.lists(ENTITY, min_size=1, max_size=4))
def test_every_style_is_read_back(style, entities):
    assert read(STYLES[style](entities)) == entities, STYLES[style](entities)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("The dog at [12, 30, 200, 180] has five legs.", id="square brackets"),
        pytest.param("The dog (12, 30), (200, 180) has five legs.", id="corner points"),
        pytest.param("The dog (bbox: 12, 30, 200, 180) has five legs.", id="named, no brackets of its own"),
        pytest.param("The dog with x1=12, y1=30, x2=200, y2=180 has five legs.", id="named numbers"),
    ],
)
def test_prose_gives_its_sentence(text):
    assert read(f"I looked. {text} The rest is fine.") == [("dog", DOG[1], text)]
    assert read(f"{text} {text}") == [("dog", DOG[1], text)] * 2


def test_boxes_of_one_sentence_share_it():
    text = "The dog [12, 30, 200, 180] bites a cat [1, 2, 3.5, 4] with no tail."
    assert [(box, said) for _, box, said in read(f"{text} Odd.")] == [(DOG[1], text), (CAT[1], text)]


def test_a_box_tag_alone_is_prose():
    assert read("The dog<box>[[12,30,200,180]]</box>: It has five legs.") == [DOG]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param('says "OPEN", twice, and "bbox_2d" too', id="quotes and a key"),
        pytest.param("a [1, 2, 3, 4] and {braces] }", id="brackets"),
        pytest.param("it's the dog's", id="apostrophes"),
        pytest.param("C:\\temp // no # comment", id="backslash and comment marks"),
        pytest.param("<box>[[1,2,3,4]]</box>", id="tags"),
        pytest.param("它写着“开”，然后：【无】", id="full-width"),
        pytest.param("\U0001f600 \ud800", id="emoji and a lone surrogate"),
    ],
)
@pytest.mark.parametrize("style", ["json", "json lines", "python", "json, fence and list not closed"])
def test_field_texts_may_hold_anything(style, said):
    assert read(STYLES[style]([("sign", (1.0, 2.0, 3.0, 4.0), said), DOG])) == [
        ("sign", (1.0, 2.0, 3.0, 4.0), said),
        DOG,
    ]


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
def test_near_misses(text, expected):
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
def test_cut_off_keeps_complete_entities_only(text, kept, reason):
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
def test_a_bad_box_is_dropped_and_counted(box, why):
    answer = parse_entities(f'[{{"bbox_2d": {box}, "label": "a"}}, {OBJECT}, {OBJECT}]')
    assert answer.dropped == {why: 1}
    assert len(answer.entities) == 2, "duplicates are kept"


def test_nothing_but_bad_boxes_was_still_read():
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
def test_an_explicit_empty_answer(text):
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
def test_what_cannot_be_read_says_why(text, reason):
    assert parse_entities(text).reason is reason


@pytest.mark.parametrize("space", Space)
@pytest.mark.parametrize("name", IMAGEQA_SETS)
def test_an_echo_of_the_image_prompt_is_no_answer(name, space):
    prompt = imageqa_prompt(name, space, 800, 600)
    assert parse_entities(prompt).reason is Reason.NO_ENTITY
    assert parse_entities(f"{prompt}\n[]").reason is None
    assert read(f"{prompt}\n[{OBJECT}]") == [DOG]


# --- Any text ---

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
        *("yes", "No", " or ", "answer", "是", "没有"),
    ]
)
ANY_TEXT = st.text(st.characters(), max_size=80) | st.lists(PIECES, max_size=25).map("".join)


@settings(max_examples=500, deadline=None)
@given(ANY_TEXT)
def test_no_text_raises(text):
    judgment = parse_judgment(text)
    assert (judgment.answer is None) == (judgment.reason is not None)
    answer = parse_entities(text)
    assert not (answer.reason and (answer.entities or answer.dropped))
    assert all(count > 0 for count in answer.dropped.values())
    for entity in answer.entities:
        x1, y1, x2, y2 = entity.box
        assert all(map(math.isfinite, entity.box))
        assert x1 < x2
        assert y1 < y2
    located = regions_in_pixels(answer, Space.UNIT, 800, 600)
    assert len(located.regions) + sum(located.dropped.values()) == len(answer.entities) + sum(answer.dropped.values())
    assert located.clipped <= len(located.regions)
    parse_scores(text)
    parse_input_size(text)


@settings(max_examples=60, deadline=None)
@given(st.lists(ENTITY, min_size=1, max_size=3), st.data())
def test_an_answer_cut_anywhere_gives_only_entities_of_the_whole(entities, data):
    whole = json.dumps(as_dicts(entities))
    kept = read(whole[: data.draw(st.integers(0, len(whole)))])
    assert kept == entities[: len(kept)]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(JSON_VALUES, max_size=3), st.sampled_from([None, 1]))
def test_valid_json_is_read_as_json(values, indent):
    found = loose_json.read(json.dumps(values, indent=indent))
    assert (found.values, found.truncated) == ([values], False)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(WORD, WORD | st.lists(st.integers(0, 99) | WORD, max_size=4), min_size=1), st.booleans())
def test_valid_json_beside_broken_json_is_read_the_same(value, first):
    good, broken = json.dumps(value), '{"a": 1,}'
    found = loose_json.read(f"{good}\n{broken}" if first else f"{broken} and {good}")
    assert found.values == ([value, {"a": 1}] if first else [{"a": 1}, value])


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


@pytest.mark.parametrize("piece", BAIT.values(), ids=BAIT.keys())
def test_bait_is_read_to_its_end(piece):
    """A reader that is quadratic or worse in any of these would not come back in an hour."""
    text = piece * (1_000_000 // len(piece)) + " [1, 2, 3, 4]"  # a box at the end sends it through every style
    assert isinstance(parse_entities(text), Entities)
    assert isinstance(parse_judgment(text), Judgment)


@pytest.mark.parametrize("style", ["json", "json, fence and list not closed", "internvl", "markdown list"])
def test_ten_thousand_boxes(style):
    assert len(parse_entities(STYLES[style]([DOG] * 10_000)).entities) == 10_000


# --- In pixels ---


def test_regions_are_converted_clipped_and_counted():
    answer = parse_entities(
        '[{"bbox_2d": [0, 500, 1000, 1000], "label": "a", "description": "x"},'
        '{"bbox_2d": [900, 0, 1100, 100]},'
        '{"bbox_2d": [1001, 0, 1100, 100]}, {"bbox_2d": [5, 5, 5, 9]}, {"bbox_2d": [9, 5, 5, 9]}]'
    )
    located = regions_in_pixels(answer, Space.NORM1000, 800, 600)
    assert [region.bbox_px for region in located.regions] == [(0, 300, 800, 600), (720, 0, 800, 60)]
    assert (located.regions[0].label, located.regions[0].description) == ("a", "x")
    assert located.dropped == {"zero_area": 2, "reversed_corners": 1}
    assert located.clipped == 1


def test_no_entity_gives_no_region():
    assert regions_in_pixels(parse_entities("[]"), Space.UNIT, 8, 6) == Located((), {}, 0)


# --- What the backend reports ---


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        pytest.param('{"choices": ["Yes", "No"], "p": [0.75, 0.25], "mass": 0.5}', Scores(0.75, 0.5), id="as written"),
        pytest.param('{"choices": ["No", "Yes"], "p": [0.25, 0.75]}', Scores(0.75, None), id="order of the choices"),
        pytest.param('{"choices": ["Yes", "No"], "p": [0.3, 0.1]}', Scores(0.75, None), id="normalised"),
        pytest.param('{"choices": ["Yes", "No", "Maybe"], "p": [1, 1, 8]}', Scores(0.5, None), id="another choice"),
        pytest.param('{"choices": ["Yes", "No"], "p": [1e308, 1e308]}', Scores(0.5, None), id="no overflow"),
        pytest.param('{"choices": ["Yes", "No"], "p": [1, 0], "mass": NaN}', Scores(1.0, None), id="bad mass left out"),
        pytest.param('{"choices": ["Yes", "No"], "p": [0, 0]}', None, id="nothing on either"),
        pytest.param('{"choices": ["Yes", "No"], "p": [-1, 2]}', None, id="negative"),
        pytest.param('{"choices": ["Yes", "No"], "p": [NaN, 1]}', None, id="NaN"),
        pytest.param('{"choices": ["Yes", "No"], "p": [true, 1]}', None, id="boolean"),
        pytest.param('{"choices": ["Yes", "No"], "p": [1]}', None, id="one too few"),
        pytest.param('{"choices": ["Yes"], "p": [1]}', None, id="a choice is missing"),
        pytest.param('{"input_size": [4, 4]}', None, id="something else"),
        pytest.param("[" * 100_000, None, id="nested too deep"),
        pytest.param("Yes", None, id="no JSON"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_scores(text, scores):
    found = parse_scores(text)
    assert (found is None) == (scores is None)
    if found and scores:
        assert found.p_yes == pytest.approx(scores.p_yes)
        assert found.mass == scores.mass


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param('{"input_size": [1036, 784]}', (1036, 784), id="as written"),
        pytest.param('{"choices": ["Yes"], "p": [1], "input_size": [2, 3]}', (2, 3), id="beside scores"),
        pytest.param('{"input_size": [0, 784]}', None, id="zero"),
        pytest.param('{"input_size": [10.5, 784]}', None, id="not whole"),
        pytest.param('{"input_size": [true, 784]}', None, id="boolean"),
        pytest.param('{"input_size": [784]}', None, id="one number"),
        pytest.param('{"input_size": ', None, id="cut off"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_input_size(text, size):
    assert parse_input_size(text) == size


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("refused", "refused"),
        ("HTTP 400:\n\tbad\u202e request\u200b", "HTTP 400: bad request"),
        ("a" * 400, "a" * 300),
        ("half \ud800 a pair", "half a pair"),
        (" \n\u200b", None),
        ("", None),
        (3, None),
    ],
)
def test_a_reason_is_one_short_plain_line(said: object, expected: str | None) -> None:
    assert parse_unanswered(json.dumps({"unanswered": said})) == expected
