"""Every style that models write entities in is read back."""

import pytest
from entity_styles import CAT, DOG, ENTITY, STYLES, Plain, read
from hypothesis import example, given, settings
from hypothesis import strategies as st


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=25, deadline=None)
@example(entities=[DOG, CAT, DOG])
@given(entities=st.lists(ENTITY, min_size=1, max_size=4))
def test_every_style_is_read_back(style: str, entities: list[Plain]) -> None:
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
def test_prose_gives_its_sentence(text: str) -> None:
    assert read(f"I looked. {text} The rest is fine.") == [("dog", DOG[1], text)]
    assert read(f"{text} {text}") == [("dog", DOG[1], text)] * 2


def test_boxes_of_one_sentence_share_it() -> None:
    text = "The dog [12, 30, 200, 180] bites a cat [1, 2, 3.5, 4] with no tail."
    assert [(box, result) for _, box, result in read(f"{text} Odd.")] == [(DOG[1], text), (CAT[1], text)]


def test_a_box_tag_alone_is_prose() -> None:
    assert read("The dog<box>[[12,30,200,180]]</box>: It has five legs.") == [DOG]


@pytest.mark.parametrize(
    "result",
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
def test_field_texts_may_hold_anything(style: str, result: str) -> None:
    assert read(STYLES[style]([("sign", (1.0, 2.0, 3.0, 4.0), result), DOG])) == [
        ("sign", (1.0, 2.0, 3.0, 4.0), result),
        DOG,
    ]
