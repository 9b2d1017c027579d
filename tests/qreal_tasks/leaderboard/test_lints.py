"""What a reader is told about accepted numbers."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from submitted import simulated, small_references

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.leaderboard.lints import TOO_WELL, find_notes
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record
from qreal_tasks.results.run_folder import Run, TaskRun
from qreal_tasks.results.score import score_run

Q1 = "realism_q1"


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return simulated(small_references(), skill=0.9)


def _said(records: list[Record]) -> list[str]:
    return find_notes(score_run(Run(Path("r"), "m", "", None, (TaskRun("t", "1.0", {}, tuple(records)),)), resamples=0))


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
        (
            {"answer": None, "reason": "refused", "raw": "I cannot."},
            "answers held a refusal, for example: 'I cannot.'",
        ),
        ({"answer": None, "reason": "refused"}, "could not be read and count as wrong: "),
        ({"answer": None, "reason": "refused", "raw": "See /home/me/x"}, "answers held a refusal"),
    ],
)
def test_what_is_left_out_is_said(changes: dict[str, object], message: str, records: list[Record]) -> None:
    assert any(message in line for line in _said(_with(records, **changes)))


def test_no_p_yes_at_all(records: list[Record]) -> None:
    none = [replace(r, p_yes=None) if isinstance(r, JudgmentRecord) else r for r in records]
    assert any(line.startswith("realism_q1: no AUC, because the backend gave no P(Yes)") for line in _said(none))


def test_references_of_one_class(records: list[Record]) -> None:
    same = [replace(r, reference="Yes") if isinstance(r, JudgmentRecord) else r for r in records]
    assert "realism_q1: no AUC, because all references are of one class" in _said(same)


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
    result = _said(odd)
    assert any(line.startswith("realism: 100.0 % of the pairs have no score: ") for line in result)
    assert any(line.endswith("pairs got a refusal") for line in result)
    assert any("boxes clipped to the image" in line for line in result)


@pytest.mark.slow
def test_p_yes_that_was_set_after_the_references_is_said() -> None:
    """The answers stay, each P(Yes) stays on its answer's side, and the AUC rises by a quarter."""
    honest = simulated(small_references(copies=60), skill=0.5)
    judgments = [r for r in honest if isinstance(r, JudgmentRecord)]
    altered: list[Record] = [
        replace(r, p_yes=(0.5 if r.answer == "Yes" else 0) + (0.4 if r.reference == "Yes" else 0.1)) for r in judgments
    ]
    assert not any(TOO_WELL in line for line in _said([*judgments]))
    result = [line for line in _said(altered) if TOO_WELL in line]
    assert [line.partition(":")[0] for line in result] == list(QUESTION_NAMES)
    assert _said(altered)[: len(result)] == result, "what puts a rank in doubt comes first"
    assert all(line.endswith("The P(Yes) that answers come from hardly ever does that") for line in result)


@pytest.mark.slow
def test_sampled_answers_are_told_from_p_yes_that_was_set() -> None:
    """They are drawn from an honest P(Yes): it knows of some what the answer does not."""
    rng = random.Random(0)
    sampled: list[Record] = []
    for record in simulated(small_references(copies=60), skill=0.5):
        if isinstance(record, JudgmentRecord):
            p_yes = rng.betavariate(2, 1) if record.reference == "Yes" else rng.betavariate(1, 2)
            sampled.append(replace(record, p_yes=p_yes, answer="Yes" if rng.random() < p_yes else "No"))
    result = [line for line in _said(sampled) if TOO_WELL in line]
    assert result, "it is found: nothing tells whether they were sampled or P(Yes) was set across .5"
    assert all("of the answers are against their own P(Yes): answers that were sampled" in line for line in result)
