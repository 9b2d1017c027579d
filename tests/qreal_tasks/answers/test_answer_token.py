"""The word by which a text commits itself to a choice, and the token that is it."""

from __future__ import annotations

import pytest

from qreal_tasks.answers import NO_VERDICT, NOT_FOUND, answering_word, find_answer_token

CHOICES = ("Yes", "No")


@pytest.mark.parametrize(
    ("text", "choices", "word"),
    [
        ("Good", ("Excellent", "Good", "Bad"), "Good"),
        ("The quality is **bad**.", ("Excellent", "Good", "Bad"), "bad"),
        ("Good, not Bad", ("Excellent", "Good", "Bad"), None),
        ("Goodness", ("Excellent", "Good", "Bad"), None),
        ("nothing", ("Yes", "No"), None),
        ("NO", ("No", "Yes"), "NO"),
    ],
)
def test_the_word_that_answers(text: str, choices: tuple[str, ...], word: str | None) -> None:
    found = answering_word(text, choices)
    assert (found and found[0]) == word


@pytest.mark.parametrize(
    ("tokens", "text", "result"),
    [
        pytest.param(["Yes"], "Yes", 0, id="alone"),
        pytest.param([" Yes", "."], " Yes.", 0, id="blank and full stop"),
        pytest.param(["Yes", ",", " no", " doubt"], "Yes, no doubt", 0, id="goes on"),
        pytest.param(["No", " text", " is visible.", " Yes"], "No text is visible. Yes", 3, id="no verdict first"),
        pytest.param(["The", " answer", " is", " No"], "The answer is No", 3, id="behind words"),
        pytest.param(["**", "No", "**"], "**No**", 1, id="markup"),
        pytest.param(["<think>", "Yes", "?", "</think>", "No"], "<think>Yes?</think>No", 4, id="reasoning"),
        pytest.param(["Hm", "</think>", "No"], "<think>\nHm</think>No", 2, id="reasoning that the prompt opens"),
        pytest.param(["Hm", ",", "No"], "No", 2, id="reasoning apart"),
        pytest.param(["", "\u00e9", " No"], "\u00e9 No", 2, id="a character of two tokens"),
        pytest.param(["No", ""], "No \ufffd", 0, id="cut off in a character"),
        pytest.param(["Y", "es"], "Yes", NOT_FOUND, id="word of two tokens"),
        pytest.param(["**Yes", "**"], "**Yes**", NOT_FOUND, id="word joined to a mark"),
        pytest.param(["Yes", " and", " no"], "Yes and no", NO_VERDICT, id="takes itself back"),
        pytest.param(["Yes", ".", " Wait", ",", " no"], "Yes. Wait, no", NO_VERDICT, id="withdrawn"),
        pytest.param(["It", " is"], "It is", NO_VERDICT, id="neither"),
        pytest.param([], "", NO_VERDICT, id="nothing"),
    ],
)
def test_the_token_that_answers(tokens: list[str], text: str, result: int | str) -> None:
    found = find_answer_token([token.encode() for token in tokens], text, CHOICES)
    assert (found.why_not if found.place is None else found.place) == result
