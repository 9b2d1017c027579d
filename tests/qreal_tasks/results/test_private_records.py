"""Stored records without what is private; all else in them stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qreal_tasks.answers import MOST_OF_A_REASON
from qreal_tasks.records import JudgmentRecord
from qreal_tasks.results.run_folder import clean_records

RECORD = JudgmentRecord(
    question="realism_overall",
    entity_id="a#0",
    image_id="a",
    generator="g",
    is_portrait=False,
    label="hand",
    reference="Yes",
    raw="Yes",
    answer="Yes",
    reason=None,
    p_yes=0.333333333333,
    mass=1.0,
    prompt_version="1",
    pre_prompt="",
    post_prompt="",
    data="mini",
)


def test_a_reason_stays_as_short_as_a_submission_takes_it() -> None:
    reason = "10.0.0.1 ".ljust(MOST_OF_A_REASON, "x")
    (found,) = clean_records([replace(RECORD, answer=None, reason=reason)])
    assert found.reason == "<address> ".ljust(MOST_OF_A_REASON, "x")


@pytest.mark.parametrize(
    ("name", "value", "raw", "clean"),
    [
        pytest.param("MY_KEY", "my-key-12345", "Yes, my-key-12345", "Yes, <key>", id="a key"),
        pytest.param("MY_KEY", 'my "key" 1', r'{"a": "my \"key\" 1"}', '{"a": "<key>"}', id="a key in JSON"),
        pytest.param("MY_KEY", "production", "Yes, production", "Yes, production", id="a word"),
        pytest.param("EOS_TOKEN", "<|im_end|>", "Yes<|im_end|>", "Yes<|im_end|>", id="a mark of a chat template"),
        pytest.param("PASSWORD", "33333333", "[0.33333333, 1]", "[0.33333333, 1]", id="digits within a number"),
        pytest.param("MY_KEY", "1", "1 of 1", "1 of 1", id="a digit"),
        pytest.param("GITHUB_TOKEN", "", "Yes", "Yes", id="nothing"),
    ],
)
def test_answers_lose_nothing_but_keys(
    name: str, value: str, raw: str, clean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    record = replace(RECORD, raw=raw)
    assert list(clean_records([record])) == [replace(record, raw=clean)]
