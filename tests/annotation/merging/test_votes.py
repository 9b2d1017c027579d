"""The record of votes: it only grows, and the newest of a person and an entity counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from answering import random_answers

from annotation.label_studio.progress import measure_progress
from annotation.merging.forms import DraftForm
from annotation.merging.votes import Vote, VoteRecord
from qreal_tasks.files.sqlite_file import StoreError

DRAFTED = {"realism": "Flat \U0001f98b. ", "plausibility": ""}
VOTE = Vote(
    annotator="anna",
    entity_id="a#0",
    answers=random_answers(0),
    drop=None,
    label="cat",
    bbox_px=(1.0, 2.0, 3.5, 4.0),
    descriptions={"realism": "Flat \U0001f98b.", "plausibility": ""},
    parts=None,
    shown={"label": "cat ", "bbox_px": [1.0, 2.0, 3.5, 4.0], "descriptions": DRAFTED, "parts": None},
    seconds=30.0,
    annotation_id=1,
    updated_at="2026-11-25T08:00:00.000000+00:00",
)
LATER = replace(VOTE, label="dog", updated_at="2026-11-25T09:00:00.000000+00:00")


@pytest.fixture
def record(tmp_path: Path) -> VoteRecord:
    return VoteRecord(tmp_path / "votes.sqlite")


def test_the_same_again_adds_nothing_and_the_newest_counts(record: VoteRecord, tmp_path: Path) -> None:
    assert record.add([VOTE, VOTE]) == 1
    assert record.add([VOTE]) == 0
    assert record.latest() == [VOTE]
    assert record.add([LATER]) == 1
    assert record.latest() == [LATER]
    assert VoteRecord(tmp_path / "votes.sqlite").latest() == [LATER]
    assert record.count() == 2


def test_what_was_pulled_last_counts_whatever_the_clock_said(record: VoteRecord) -> None:
    record.add([LATER])
    assert record.add([VOTE]) == 1
    assert record.latest() == [VOTE]
    assert record.add([VOTE]) == 0
    assert record.add([VOTE, LATER]) == 1, "together, the later one counts"
    assert record.latest() == [LATER]
    assert record.add([LATER, VOTE]) == 0
    assert record.count() == 2


def test_a_withdrawn_vote_counts_no_more_until_there_is_a_newer_one(record: VoteRecord) -> None:
    gone = replace(LATER, withdrawn=True)
    record.add([VOTE, gone])
    assert record.latest() == []
    again = replace(VOTE, annotation_id=2, updated_at="2026-11-25T10:00:00.000000+00:00")
    record.add([again])
    assert record.latest() == [again]
    assert record.count() == 3


def test_each_form_of_an_entity_has_its_newest_vote(record: VoteRecord) -> None:
    """Somebody may touch an old task after the entity was drafted anew; the vote on the new form stays."""
    anew = replace(VOTE, shown={**VOTE.shown, "label": "kitten"}, annotation_id=2)
    touched = replace(LATER, annotation_id=1)
    record.add([VOTE, anew, touched])
    assert record.latest() == [touched, anew]


def test_people_and_entities_are_kept_apart(record: VoteRecord) -> None:
    others = [replace(VOTE, annotator="ben"), replace(VOTE, entity_id="a#1")]
    record.add([VOTE, *others])
    assert [(vote.entity_id, vote.annotator) for vote in record.latest()] == [
        ("a#0", "anna"),
        ("a#0", "ben"),
        ("a#1", "anna"),
    ]


def test_what_is_laid_before_whom_can_be_taken_back(record: VoteRecord) -> None:
    record.add([VOTE])
    record.record_tasks("anna", 1, [("a#0", "x"), ("a#1", "y")])
    record.record_tasks("ben", 2, [("a#0", "x")])
    record.record_tasks("anna", 1, [("a#1", "z")])  # drafted anew
    assert record.assigned_forms() == {"anna": {"a#0": "x", "a#1": "z"}, "ben": {"a#0": "x"}}
    record.forget_tasks("anna")
    assert record.assigned_forms() == {"ben": {"a#0": "x"}}
    assert record.latest() == [VOTE]


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "votes.sqlite"
    path.write_bytes(b"something else, and long enough to be no header of a database" * 4)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"votes\.sqlite"):
        VoteRecord(path)
    assert path.read_bytes() == before


def test_standings_by_hand() -> None:
    """Two of three answered in 30 and 50 seconds: one is left, at the median of 40."""
    forms = {
        f"a#{n}": DraftForm(f"a#{n}", "a", "p", "g", False, "cat ", (1.0, 2.0, 3.5, 4.0), DRAFTED, None, {})
        for n in range(3)
    }
    votes = [
        VOTE,
        replace(VOTE, entity_id="a#1", answers=None, drop="unclear", seconds=50.0, label="kitten"),
        replace(VOTE, entity_id="gone#0"),
    ]
    laid = {"anna": dict.fromkeys(forms, "x"), "ben": {"a#0": "x"}}
    anna, ben = measure_progress(["anna", "ben"], laid, votes, forms)
    assert (anna.assigned, anna.answered, anna.left, anna.dropped, anna.changed) == (
        3,
        2,
        1,
        1,
        1,
    )  # blanks around a text are no change
    assert (anna.seconds, anna.hours_left) == (40.0, 40 / 3600)
    assert (ben.assigned, ben.answered, ben.seconds, ben.hours_left) == (1, 0, None, None)
