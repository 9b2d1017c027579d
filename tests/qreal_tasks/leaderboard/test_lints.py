"""What a reader is told about accepted numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from submitted import simulated, small_references

from qreal_tasks.leaderboard.lints import lints
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record
from qreal_tasks.report.run_folder import Run, TaskRun
from qreal_tasks.report.score import score_run

Q1 = "realism_q1"


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return simulated(small_references(), skill=0.9)


def _said(records: list[Record]) -> list[str]:
    return lints(score_run(Run(Path("r"), "m", "", None, (TaskRun("t", "1.0", {}, tuple(records)),)), resamples=0))


def _with(records: list[Record], **changes: object) -> list[Record]:
    """Every third answer to the first question changed."""
    q1 = [r for r in records if isinstance(r, JudgmentRecord) and r.question == Q1]
    chosen = {r.entity_id for r in q1[::3]}
    return [
        replace(r, **changes) if isinstance(r, JudgmentRecord) and r.question == Q1 and r.entity_id in chosen else r  # type: ignore[arg-type]
        for r in records
    ]


def test_a_good_run_has_little_to_say(records: list[Record]) -> None:
    assert [line for line in _said(records) if "worse" not in line and "could not be read" not in line] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"p_yes": None}, "realism_q1: 33.3 % of the items have no P(Yes) and are out of the AUC"),
        ({"answer": None, "reason": "refused"}, "refused) and count as wrong"),
    ],
)
def test_what_is_left_out_is_said(changes: dict[str, object], message: str, records: list[Record]) -> None:
    assert any(message in line for line in _said(_with(records, **changes)))


def test_no_p_yes_at_all(records: list[Record]) -> None:
    none = [replace(r, p_yes=None) if isinstance(r, JudgmentRecord) else r for r in records]
    assert any(line.startswith("realism_q1: no AUC, because the backend gave no P(Yes)") for line in _said(none))


def test_no_judge(records: list[Record]) -> None:
    bare = [replace(r, scores=None, judge=None) if isinstance(r, GroundingRecord) else r for r in records]
    assert "realism: descriptions were not judged, so LLM-Score and joint score are N/A" in _said(bare)


def test_unjudged_pairs_and_clipped_boxes(records: list[Record]) -> None:
    odd = [
        replace(r, scores=(None,) * len(r.scores or ()), unjudged={"refused": len(r.scores or ())}, clipped=1)
        if isinstance(r, GroundingRecord) and r.scores
        else r
        for r in records
    ]
    said = _said(odd)
    assert any("realism: the judge could not answer 100.0 % of the pairs (" in line for line in said)
    assert any("boxes clipped to the image" in line for line in said)
