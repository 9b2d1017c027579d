"""P is read at the token where the answer stands, whatever stands before it and however tokens are written."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from qreal_tasks.answers import NO_VERDICT, NOT_FOUND
from qreal_tasks.llm.completions import read_completion
from qreal_tasks.llm.logprobs import MALFORMED, NOT_GIVEN, choice_probabilities
from qreal_tasks.llm.scripted_server import token
from qreal_tasks.models.server.engine import read_response

CHOICES = ("Yes", "No")
Entry = dict[str, Any]
YES = token("Yes", 0.97, {"Yes": 0.97, "No": 0.02})
"""P(Yes) = .97 / .99."""
NO = token("No", 0.97, {"No": 0.97, "Yes": 0.03})
"""P(Yes) = .03."""
MISLEADING = {"Yes": 0.06, "No": 0.02}
"""Listed where no answer stands."""


def other(text: str, p: float = 0.9) -> Entry:
    """A token that is no answer, beside which the choices are listed as unlikely ones."""
    return token(text, p, {text: p, **MISLEADING})


def choice(content: str | None, *entries: Entry, **message: Any) -> dict[str, Any]:
    return {
        "message": {"content": content, **message},
        "finish_reason": "stop",
        "logprobs": {"content": list(entries)},
    }


def p_yes(content: str, *entries: Entry, **message: Any) -> float | str | None:
    """P(Yes), or why there is none."""
    found = read_completion({"choices": [choice(content, *entries, **message)]}, CHOICES).probabilities
    return found.why_not if found.p is None else found.p[0]


TAKEN: dict[str, tuple[str, Entry, float]] = {
    # What the list lacks is counted once: K1.
    "Yes, not listed": ("Yes", token("Yes", 0.97, {"No": 0.02, "ĠYes": 0.005}), 0.975 / 0.995),
    "No, not listed": ("No", token("No", 0.97, {"Yes": 0.02, "ĠNo": 0.005}), 0.02 / 0.995),
    "raw blank of byte-level BPE": ("Yes", token("ĠYes", 0.97, {"ĠYes": 0.97, "ĠNo": 0.02}), 0.97 / 0.99),
    "raw blank of SentencePiece": (
        "Yes",
        token("▁Yes", 0.95, {"▁Yes": 0.95, "▁No": 0.02, "Yes": 0.01, "no": 0.001}),
        0.96 / 0.981,
    ),
    "listed": ("Yes", YES, 0.97 / 0.99),
    "line break joined to the word": ("\nNo", token("ĊNo", 0.9, {"ĊNo": 0.9, "ĊYes": 0.1}), 0.1),
    "two tokens of one text, one of them taken and not listed": (
        "Yes",
        token("Yes", 0.6, {"Yes": 0.1, "No": 0.3}),
        0.7,
    ),
    "taken after sampling, listed before": ("Yes", token("Yes", 1.0, {"Yes": 0.7, "No": 0.3}), 0.7),
    "listed twice": (
        "Yes",
        {**YES, "top_logprobs": [*YES["top_logprobs"], YES["top_logprobs"][0]]},
        0.97 / 0.99,
    ),
    "a choice outside the list": ("No", token("No", 0.97, {"No": 0.97, "Not": 0.01}), 0.0),
    "bytes in place of a text": (
        "No",
        {**NO, "top_logprobs": [{**one, "token": f"bytes:{one['token']}"} for one in NO["top_logprobs"]]},
        0.03,
    ),
    **{
        f"{result!r} of another token": (
            "Yes",
            {**YES, "top_logprobs": [*YES["top_logprobs"], {"token": "I", "logprob": result}]},
            0.97 / 0.99,
        )
        for result in (None, math.nan, "-Infinity", -math.inf, -9999)
    },
    "-inf of a choice": (
        "Yes",
        {**YES, "top_logprobs": [YES["top_logprobs"][0], {"token": " no", "logprob": -math.inf}]},
        1.0,
    ),
    "a probability below what floats hold": ("No", token("No", 1.0, {"No": 1.0, "Yes": 0.0}), 0.0),
}


@pytest.mark.parametrize("name", TAKEN)
def test_the_token_taken_counts_and_every_spelling_does(name: str) -> None:
    content, entry, expected = TAKEN[name]
    assert p_yes(content, entry) == pytest.approx(expected, abs=1e-9)


PLACES: dict[str, tuple[str, list[Entry], dict[str, Any], float]] = {
    # The list spans the reasoning while the content is the answer: K2.
    "reasoning apart": ("No", [other("Okay"), other(","), NO], {"reasoning_content": "Okay,"}, 0.03),
    "reasoning that says the other word": (
        "No",
        [token("Yes", 0.9, {"Yes": 0.9, "No": 0.1}), other("?"), other("</think>"), other("\n\n"), NO],
        {"reasoning": "Yes?"},
        0.03,
    ),
    "reasoning in the text": (
        "<think>No, a yes?</think>\nYes",
        [other("<think>"), NO, other(", a yes?"), other("</think>"), other("\n"), YES],
        {},
        0.97 / 0.99,
    ),
    "label": ("Answer: No", [other("Answer"), other(":"), token(" No", 0.97, {" No": 0.97, " Yes": 0.03})], {}, 0.03),
    "label without the blanks, as SentencePiece is shown": ("Answer: No", [other("Answer"), other(":"), NO], {}, 0.03),
    "markup": ("**Yes**", [other("**"), YES, other("**")], {}, 0.97 / 0.99),
    "line break": ("\nYes", [token("\n", 0.99, {"\n": 0.99}), YES], {}, 0.97 / 0.99),
    "byte of a line break": ("\nYes", [token("<0x0A>", 0.99, {"<0x0A>": 0.99}), YES], {}, 0.97 / 0.99),
    "start token": ("Yes", [token("", 1.0, {"": 1.0}), YES], {}, 0.97 / 0.99),
    "named start and end": ("Yes", [other("<s>"), YES, other("</s>")], {}, 0.97 / 0.99),
    "channels": (
        "No",
        [other("<|channel|>"), other("final"), other("<|message|>"), NO, other("<|return|>")],
        {},
        0.03,
    ),
    "quotation marks": ('"No"', [other('"'), NO, other('"')], {}, 0.03),
    "JSON": ('{"answer": "No"}', [other('{"answer": "'), NO, other('"}')], {}, 0.03),
    "box": (r"\boxed{No}", [other(r"\boxed{"), NO, other("}")], {}, 0.03),
    "behind the choices": (
        "Yes or No? No",
        [YES, other(" or"), token(" No", 0.9, {" No": 0.9}), other("?"), NO],
        {},
        0.03,
    ),
    "behind a determiner": (
        "There is no text. No.",
        [other("There is"), token(" no", 0.9, {" no": 0.9, "Yes": 0.1}), other(" text."), NO, other(".")],
        {},
        0.03,
    ),
    "said twice: the first commits": (
        "No. So the answer is no",
        [NO, other(". So the answer is"), token(" no", 0.5, {" no": 0.5})],
        {},
        0.03,
    ),
    "taken back": (
        "Perhaps yes. Final answer: No",
        [other("Perhaps"), token(" yes", 0.9, {" yes": 0.9}), other(". Final answer:"), NO],
        {},
        0.03,
    ),
    "characters of several tokens": (
        "No 😀",
        [
            NO,
            {**other(" \ufffd"), "bytes": [32, 0xF0, 0x9F]},
            {**other("\ufffd"), "bytes": [0x98, 0x80]},
        ],
        {},
        0.03,
    ),
    "only the first tokens are listed": ("Yes, because it is", [YES, other(",")], {}, 0.97 / 0.99),
}


@pytest.mark.parametrize("name", PLACES)
def test_p_is_that_of_the_answers_token(name: str) -> None:
    content, entries, message, expected = PLACES[name]
    assert p_yes(content, *entries, **message) == pytest.approx(expected, abs=1e-9)


def but(entry: Entry, **changes: Any) -> Entry:
    return {**entry, **changes}


NONE: dict[str, tuple[str, list[Entry], str]] = {
    "empty list": ("Yes", [token("Yes", 0.97, {})], NOT_GIVEN),
    "nothing but what was taken": ("Yes", [token("Yes", 0.97, {"Yes": 0.97})], NOT_GIVEN),
    "no list": ("Yes", [{"token": "Yes", "logprob": -0.1}], NOT_GIVEN),
    "another form": ("Yes", [{"top_logprobs": [{"Yes": -0.1}]}], NOT_GIVEN),
    "null": (
        "Yes",
        [but(YES, top_logprobs=[{"token": "Yes", "logprob": None}, {"token": "No", "logprob": 0}])],
        MALFORMED,
    ),
    "NaN": ("Yes", [but(YES, top_logprobs=[{"token": "Yes", "logprob": math.nan}, *NO["top_logprobs"]])], MALFORMED),
    "NaN of what was taken": ("Yes", [but(YES, logprob=math.nan)], MALFORMED),
    "NaN of a spelling": (
        "Yes",
        [but(YES, top_logprobs=[*YES["top_logprobs"], {"token": " no", "logprob": math.nan}])],
        MALFORMED,
    ),
    "null of what was taken": ("Yes", [but(YES, logprob=None)], MALFORMED),
    "another token without a text": (
        "Yes",
        [but(YES, top_logprobs=[*YES["top_logprobs"], {"logprob": None}])],
        MALFORMED,
    ),
    "another token of more than 1": (
        "Yes",
        [but(YES, top_logprobs=[*YES["top_logprobs"], {"token": "I", "logprob": 0.7}])],
        MALFORMED,
    ),
    "infinite": ("Yes", [but(YES, logprob=math.inf)], MALFORMED),
    "more than 1": (
        "Yes",
        [but(YES, logprob=0.7, top_logprobs=[{"token": "Yes", "logprob": 0.7}, {"token": "No", "logprob": -3}])],
        MALFORMED,
    ),
    "more than 1 together": ("Yes", [token("Yes", 0.9, {"Yes": 0.9, "No": 0.9})], MALFORMED),
    "text": ("Yes", [but(YES, logprob="-0.1")], MALFORMED),
    "word in two tokens": ("Yes", [other("Y"), other("es")], NOT_FOUND),
    "word joined to a mark": ("**Yes**", [token("**Yes", 0.9, {"**Yes": 0.9, "**No": 0.1}), other("**")], NOT_FOUND),
    "tokens of another text": ("Yes", [other("Okay"), other(", let me see")], NOT_FOUND),
    "word of another language": ("是的", [token("是的", 0.9, {"是的": 0.9, "Yes": 0.1})], NO_VERDICT),
    "no verdict": ("The hand has six fingers", [other("The"), other(" hand has six fingers")], NO_VERDICT),
    "both": ("Yes and no", [YES, other(" and"), NO], NO_VERDICT),
    "unfinished reasoning": ("<think>Yes, or", [other("<think>"), YES, other(", or")], NO_VERDICT),
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_not_found_or_is_no_probability_gives_none_with_a_reason(name: str) -> None:
    content, entries, why_not = NONE[name]
    assert p_yes(content, *entries) == why_not


def test_the_text_is_kept_as_it_came() -> None:
    for content in ("Yes.", " yes!\n", "Yes, it is.", "**Yes**"):
        assert read_completion({"choices": [choice(content, YES)]}, CHOICES).text == content


def test_rounding_makes_no_mass_above_1() -> None:
    found = choice_probabilities(choice("Yes", token("Yes", 0.8, {"Yes": 0.8, "No": 0.204})), "Yes", CHOICES)
    assert found.mass == 1
    assert found.p == pytest.approx((0.8 / 1.004, 0.204 / 1.004))


@pytest.mark.slow
def test_a_long_text_is_read_in_time_that_grows_with_it() -> None:
    """A hundred thousand verdicts, the last of which decides."""
    content = "no text, " * 100_000 + "\nYes"
    assert choice_probabilities(choice(content, YES), content, CHOICES).why_not in (None, NO_VERDICT, NOT_FOUND)


def test_the_second_string_tells_why_there_is_no_p() -> None:
    beside = read_response({"choices": [choice("Yes", other("Okay"))]}, CHOICES).beside()
    assert beside is not None
    assert json.loads(beside) == {"no_p": NOT_FOUND}
