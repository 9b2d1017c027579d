"""Every reason that a record can hold is a sentence, and none shows a reader a code."""

from __future__ import annotations

import pytest

from qreal_tasks.answers import Reason
from qreal_tasks.harness.judge import STOPPED
from qreal_tasks.judge import question
from qreal_tasks.judge.judge import EMPTY_REFERENCE
from qreal_tasks.llm.batch.harvester import NO_ANSWER
from qreal_tasks.llm.completions import EMPTY, OUT_OF_TOKENS, REFUSED
from qreal_tasks.llm.errors.retry import CONTENT_FILTER
from qreal_tasks.records import NO_REASON
from qreal_tasks.results.reasons import describe_answer, describe_answers, describe_pairs
from qreal_tasks.samples import NO_INPUT_SIZE

OF_SERVERS = (REFUSED, CONTENT_FILTER, EMPTY, OUT_OF_TOKENS)
OF_JUDGES = (question.TRUNCATED, question.MALFORMED, question.NO_SCORE, question.OUT_OF_RANGE)


@pytest.mark.parametrize("reason", [*Reason, *OF_SERVERS, NO_INPUT_SIZE, NO_REASON])
def test_every_reason_of_an_answer_has_words_of_its_own(reason: str) -> None:
    result = describe_answers({str(reason): 2}, {str(reason): "No"})
    assert result.startswith("2 answers ")
    assert result.endswith(", for example: 'No'")
    assert "could not be read:" not in result
    assert "_" not in result


@pytest.mark.parametrize("reason", [*OF_JUDGES, *OF_SERVERS, EMPTY_REFERENCE, STOPPED, NO_ANSWER, NO_REASON])
def test_every_reason_of_a_pair_has_words_of_its_own(reason: str) -> None:
    result = describe_pairs({reason: 1}, {reason: "No"})
    assert result.startswith("1 pair ")
    assert "got no score:" not in result


@pytest.mark.parametrize(
    ("counts", "texts", "result"),
    [
        pytest.param({}, {}, "", id="nothing"),
        pytest.param({"no_entity": 1234}, {}, "1,234 answers held no list of boxes", id="no text"),
        pytest.param({"empty": 1}, {"empty": " \n"}, "1 answer held nothing to read", id="blank text"),
        pytest.param(
            {"no_verdict": 1},
            {"no_verdict": "It\n\x1b[31m is\u202e hard" + " to say" * 50},
            "1 answer held neither Yes nor No, for example: 'It [31m is hard" + " to say" * 9 + "…'",
            id="hostile and long text",
        ),
        pytest.param(
            {"empty": 1, "no_verdict": 2, "cut_off": 2},
            {},
            "2 answers ended before the first entity was complete; 2 answers held neither Yes nor No; 1 answer held "
            "nothing to read",
            id="most frequent first",
        ),
        pytest.param({"new_code_of_next_year": 3}, {}, "3 answers could not be read: new code of next year", id="new"),
        pytest.param(
            {f"request failed: {n}": 1 for n in range(9)},
            {},
            "; ".join(f"1 answer never came ({n})" for n in range(6)) + "; 3 answers for 3 other reasons",
            id="many messages",
        ),
    ],
)
def test_sentences(counts: dict[str, int], texts: dict[str, str], result: str) -> None:
    assert describe_answers(counts, texts) == result


@pytest.mark.parametrize(
    ("reason", "result"),
    [
        ("unreadable picture: cut", "had a picture that cannot be read (cut)"),
        ("detect: unreadable picture: cut", "had a picture that cannot be read (cut), in the stage detect"),
        ("filter: odd", "could not be read: odd, in the stage filter"),
        ("detect:", "could not be read: detect:"),
    ],
)
def test_what_stands_before_a_colon(reason: str, result: str) -> None:
    assert describe_answer(reason) == result


def test_a_status_is_told_with_its_message() -> None:
    assert describe_pairs({"status 500": 2}, {"status 500": "500: out of memory"}) == (
        "2 pairs got no score: status 500, for example: '500: out of memory'"
    )
