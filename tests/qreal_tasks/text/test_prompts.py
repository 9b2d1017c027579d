"""When two prompts are one."""

from __future__ import annotations

import unicodedata

import pytest

from qreal_tasks.text.prompts import normalize_prompt

PROMPT = "a café, İstanbul, 한국"


@pytest.mark.parametrize(
    "other",
    [
        unicodedata.normalize("NFD", PROMPT),
        PROMPT.upper().lower(),
        PROMPT.replace(" ", " \n\t\u3000"),
        f"\ufeff {PROMPT}\u200b ",
        PROMPT.replace("a", "a\u00ad\u200d\u2060\u200e"),
        unicodedata.normalize("NFD", PROMPT).replace("\u0301", "\u200b\u0301"),
    ],
    ids=["decomposed", "case", "blanks", "marks around it", "marks within it", "a mark before an accent"],
)
def test_what_a_reader_does_not_see_is_left_out(other: str) -> None:
    assert normalize_prompt(other) == normalize_prompt(PROMPT)


@pytest.mark.parametrize(
    ("one", "other"),
    [("a cafe", "a café"), ("a cat", "a c at"), ("x² ", "x2"), ("dog!", "dog"), ("ﬁne", "f1ne")],
)
def test_what_a_reader_sees_is_kept(one: str, other: str) -> None:
    assert normalize_prompt(one) != normalize_prompt(other)


@pytest.mark.parametrize("text", ["A  dog\n", PROMPT, "STRASSE straße", "ΌΣΟΣ ς", "\u200b"])
def test_it_changes_nothing_the_second_time(text: str) -> None:
    assert normalize_prompt(normalize_prompt(text)) == normalize_prompt(text)
