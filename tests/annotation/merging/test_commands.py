"""``qreal annotate verify merge`` and ``report`` as a user meets them."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from drafted_run import write_drafted_run
from typer.testing import CliRunner
from verified_run import Said, as_drafted, cast, write_voted_run

from annotation.commands import annotate_app
from annotation.merging.ballot import first_annotators, load_ballot
from annotation.merging.forms import DraftForm, load_forms
from annotation.merging.merged_file import merged_path, read_merge_settings, read_merged
from annotation.merging.votes import People, VoteRecord
from qreal_tasks.llm.scripted_server import ScriptedServer, completion


def told(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(annotate_app, ["verify", *arguments])
    return done.exit_code, " ".join(done.output.split())


def _only(mine: Collection[str]) -> Said:
    return lambda place, drafted, who: dict(drafted.answers) if drafted.entity_id in mine else None


def half(place: int, drafted: DraftForm, who: str) -> dict[str, Any] | None:
    """One is not answered by cara, one has three labels."""
    if place == 0 and who == "cara":
        return None
    return dict(drafted.answers) | ({"label": who} if place == 1 else {})


def test_merge_lists_what_is_to_decide(tmp_path: Path) -> None:
    run = write_voted_run(tmp_path, 8, half)
    code, result = told("merge", str(run.path))
    assert code == 0
    assert "#" in result
    assert "label: 'anna', 'ben', 'cara'" in result
    assert "1 pending, 1 conflict, 0 dropped" in result
    code, result = told("merge", str(run.path), "--min-votes", "2")
    assert "0 pending, 1 conflict, 0 dropped" in result
    assert merged_path(run).is_file()


def test_it_says_what_asking_two_first_has_saved(tmp_path: Path) -> None:
    run = write_drafted_run(tmp_path, 8)
    forms = load_forms(run)
    people = ("anna", "ben", "cara")
    for person in people:
        mine = {one for one in forms if person in first_annotators(one, people)}
        cast(run, _only(mine), [person], laid=mine)
    with VoteRecord(run.votes_path) as record:
        record.record_people(People(frozenset(people), frozenset(), adaptive=True))
    code, result = told("merge", str(run.path))
    assert (code, f"{len(forms)} votes saved" in result, f"{len(forms)} final" in result) == (0, True, True)
    ballot = load_ballot(run)
    assert ballot.independent_votes == ballot.votes  # nobody was asked as the third


def test_stale_votes_are_said(tmp_path: Path) -> None:
    run = write_voted_run(tmp_path, 8)
    rows = run.read("drafts", 0)
    rows[0]["label"] = "something else"
    run.write("drafts", 0, rows)
    assert "3 votes are on drafts that were made anew since, and do not count" in told("merge", str(run.path))[1]


@pytest.mark.parametrize("command", ["merge", "report"])
def test_before_anybody_has_voted(tmp_path: Path, command: str) -> None:
    run = write_drafted_run(tmp_path, 4)
    code, result = told(command, str(run.path))
    assert (code, "no vote was pulled yet" in result) == (1, True)
    cast(run, lambda place, drafted, who: None)
    code, result = told(command, str(run.path))
    assert (code, "no vote counts yet" in result) == ((1, True) if command == "report" else (0, False))


def test_a_limit_needs_something_to_pay_for(tmp_path: Path) -> None:
    run = write_voted_run(tmp_path, 4, as_drafted)
    code, result = told("merge", str(run.path), "--no-combine", "--max-cost", "1")
    assert (code, "--max-cost goes with --combine" in result) == (1, True)


def two_edits(place: int, drafted: DraftForm, who: str) -> dict[str, Any]:
    """Of the realism of the first entity."""
    edit = {"realism": f"{who}'s text."} if place == 0 and who != "cara" else {}
    return dict(drafted.answers) | edit


RULE, MODEL = "anna's text. ben's text.", "Both texts."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reached", "options", "text", "code", "message"),
    [
        pytest.param(True, [], MODEL, 0, "1 texts combined by scripted, 0 left to the rule", id="by default the model"),
        pytest.param(True, ["--combine"], MODEL, 0, "1 texts combined by scripted", id="asked for"),
        pytest.param(True, ["--no-combine"], RULE, 0, "final", id="switched off"),
        pytest.param(False, [], RULE, 0, "They are combined by rule; merge again", id="no server, by default"),
        pytest.param(False, ["--combine"], None, 1, "no connection to", id="no server, asked for"),
        pytest.param(False, ["--max-cost", "1"], None, 1, "no connection to", id="no server, with a limit"),
        pytest.param(None, [], RULE, 0, "Warning: no API key: set OPENAI_API_KEY", id="no key, by default"),
        pytest.param(None, ["--combine"], None, 1, "no API key: set OPENAI_API_KEY", id="no key, asked for"),
    ],
)
def test_several_edits_become_one_text(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reached: bool | None,
    options: list[str],
    text: str | None,
    code: int,
    message: str,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ScriptedServer(lambda asked: completion(json.dumps({"description": MODEL}))) as server:
        url = {True: server.url, False: "http://127.0.0.1:9/v1", None: None}[reached]
        run = write_voted_run(tmp_path, 2, two_edits, language_model={"base_url": url})
        done, result = told("merge", str(run.path), *options)
    assert done == code, result
    assert message in result
    assert merged_path(run).is_file() == (text is not None)
    if text is not None:
        ballot = load_ballot(run)
        assert read_merged(run, ballot)[0]["realism_description"] == text
        assert (read_merge_settings(run).combine is not None) == (text == MODEL)


def test_without_several_edits_no_model_is_asked(tmp_path: Path) -> None:
    run = write_voted_run(tmp_path, 2, as_drafted)
    code, result = told("merge", str(run.path))
    assert (code, "combine" in result) == (0, False)


def test_no_run(tmp_path: Path) -> None:
    code, result = told("merge", str(tmp_path))
    assert (code, "is no run of annotation" in result) == (1, True)
