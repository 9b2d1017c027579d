"""merged.parquet: a row a drafted entity, made of exactly these votes and drafts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from drafted_run import write_drafted_run
from verified_run import PEOPLE, as_drafted, cast, merge_run, write_verified_run, write_voted_run

from annotation.errors import AnnotationError
from annotation.merging.ballot import first_annotators, load_ballot, merge_ballot
from annotation.merging.forms import DraftForm, load_forms
from annotation.merging.merge import Conclusion
from annotation.merging.merged_file import count_states, list_conflicts, merged_path, read_merged
from annotation.merging.votes import People, VoteRecord
from annotation.run.folder import RunFolder
from qreal_tasks.shards.errors import ShardError


def result(place: int, drafted: DraftForm, who: str) -> dict[str, Any] | None:
    """Entity 0 is dropped, 1 waits for cara, 2 has contradictory boxes, 3 has another label."""
    if place == 0 and who != "cara":
        return {"drop": "too small"}
    if place == 1 and who == "cara":
        return None
    found: dict[str, Any] = dict(drafted.answers)
    x1, y1, x2, y2 = drafted.bbox_px
    if place == 2:
        found["bbox_px"] = {
            "anna": (x1, y1, x2, y2),
            "ben": (x1, y1, x1 + 4, y1 + 4),
            "cara": (x2, y2, x2 + 9, y2 + 9),
        }[who]
    if place == 3:
        found["label"] = "Grey thing"
    return found


def test_every_drafted_entity_has_a_row(tmp_path: Path) -> None:
    run = write_verified_run(tmp_path, 8, result)
    ballot = load_ballot(run)
    rows = read_merged(run, ballot)
    assert [row["entity_id"] for row in rows] == list(ballot.forms)
    assert count_states(rows) == {"pending": 1, "conflict": 1, "dropped": 1, "final": len(rows) - 3}
    assert list_conflicts(rows) == [(rows[2]["entity_id"], ["box: no majority of boxes agrees"])]
    assert (rows[0]["drop"], rows[0]["label"]) == ("too small", None)
    assert [vote["annotator"] for vote in rows[1]["votes"]] == ["anna", "ben"]
    assert rows[3]["label"] == "Grey thing"
    final, form = rows[4], list(ballot.forms.values())[4]
    assert tuple(final["bbox"]) == form.bbox_px  # to the last bit
    assert {name: final[name] for name in form.answers} == form.answers
    assert {source["annotator"] for source in final["sources"]} == {"anna", "ben", "cara"}


def test_equal_votes_merge_to_equal_bytes(tmp_path: Path) -> None:
    run = write_verified_run(tmp_path, 8, result)
    before = merged_path(run).read_bytes()
    merge_run(run)
    assert merged_path(run).read_bytes() == before


def test_fewer_votes_are_enough_on_request(tmp_path: Path) -> None:
    run = write_voted_run(tmp_path, 8, result)
    merge_run(run, min_votes=2)
    assert count_states(read_merged(run, load_ballot(run)))["pending"] == 0


def test_an_adjudicator_is_no_fourth_voter(tmp_path: Path) -> None:
    run = write_voted_run(tmp_path, 8, result)
    cast(run, lambda place, drafted, who: dict(drafted.answers) if place == 2 else None, ["zoe"])
    with VoteRecord(run.votes_path) as record:
        record.record_people(People(frozenset(PEOPLE), frozenset({"zoe"}), adaptive=False))
    ballot = load_ballot(run)
    assert list(ballot.adjudicated) == [list(ballot.forms)[2]]
    assert "zoe" not in ballot.assigned(list(ballot.forms)[2])


def test_it_is_refused_when_votes_came_since(tmp_path: Path) -> None:
    run = write_verified_run(tmp_path, 8, result)
    cast(run, as_drafted, updated_at="2026-02-01T00:00:00")
    with pytest.raises(AnnotationError, match=r"older than the votes; .*qreal annotate verify merge"):
        read_merged(run, load_ballot(run))


def test_votes_on_a_draft_that_was_made_anew_do_not_count(tmp_path: Path) -> None:
    run = write_verified_run(tmp_path, 8)
    rows = run.read("drafts", 0)
    rows[0]["label"] = "something else"
    run.write("drafts", 0, rows)
    ballot = load_ballot(run)
    assert ballot.stale == 3
    with pytest.raises(AnnotationError, match="older than the drafts"):
        read_merged(run, ballot)
    merge_run(run)
    assert count_states(read_merged(run, ballot))["pending"] == 1


def test_that_of_another_run_is_refused(tmp_path: Path) -> None:
    run, other = write_verified_run(tmp_path / "one", 8), write_verified_run(tmp_path / "other", 4)
    merged_path(run).write_bytes(merged_path(other).read_bytes())
    with pytest.raises(AnnotationError, match="belongs to a run of other inputs"):
        read_merged(run, load_ballot(run))


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    run = write_drafted_run(tmp_path, 4)
    with pytest.raises(AnnotationError, match=re.escape(f"`qreal annotate verify pull {run.path}`")):
        load_ballot(run)
    cast(run, as_drafted)
    with pytest.raises(AnnotationError, match="verify merge"):
        read_merged(run, load_ballot(run))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    run: RunFolder = write_verified_run(tmp_path, 4)
    merged_path(run).write_bytes(b"PAR1 cut off")
    with pytest.raises(ShardError, match=r"merged\.parquet cannot be read"):
        read_merged(run, load_ballot(run))


def test_a_third_who_is_still_to_be_asked_is_no_conflict(tmp_path: Path) -> None:
    """The first two differ, and were pulled before the third was asked."""
    run = write_drafted_run(tmp_path, 8)
    forms = load_forms(run)
    entity = next(iter(forms))
    first, second = first_annotators(entity, PEOPLE)

    def differing(place: int, form: DraftForm, who: str) -> dict[str, Any] | None:
        return dict.fromkeys(form.answers, "Yes" if who == first else "No") if form.entity_id == entity else None

    cast(run, differing, [first, second], laid=[entity])
    with VoteRecord(run.votes_path) as record:
        record.record_people(People(frozenset(PEOPLE), frozenset(), adaptive=True))
    states = {one.entity_id: one.state for one in merge_ballot(load_ballot(run), None)}
    assert states[entity] == Conclusion.PENDING


def test_what_is_laid_anew_after_a_deleted_project_makes_nobody_adaptive(tmp_path: Path) -> None:
    run = write_voted_run(tmp_path, 8)
    with VoteRecord(run.votes_path) as record:
        record.record_people(People(frozenset(PEOPLE), frozenset(), adaptive=False))
        record.forget_tasks("cara")
    ballot = load_ballot(run)
    assert ballot.independent_votes == ballot.votes
    assert all(ballot.assigned(entity) == set(PEOPLE) for entity in ballot.forms)
