"""Several edits become one text by the run's model; the rule's text stands where it does not answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from verified_run import write_voted_run

from annotation.llm.calls import CallRecord
from annotation.merging.ballot import load_ballot, merge_ballot
from annotation.merging.combine import combine_by_model
from annotation.merging.fields import COMBINED_BY_MODEL, COMBINED_BY_RULE
from annotation.merging.forms import DraftForm
from annotation.merging.merged_file import MergeSettings, read_merged, write_merged
from annotation.run.folder import RunFolder
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion

USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


def result(place: int, drafted: DraftForm, who: str) -> dict[str, Any]:
    """Two entities with several edits of one description."""
    edit = {"realism": f"{who}'s text {place}."} if place < 2 and who != "cara" else {}
    return {**drafted.answers, **edit}


def run_with(tmp_path: Path, server: ScriptedServer, **changes: Any) -> RunFolder:
    model = {
        "model": "scripted",
        "base_url": server.url,
        "prices": {"input": 2.5, "output": 10.0},
        "first_wait_s": 0.01,
    }
    return write_voted_run(tmp_path, 8, result, language_model={**model, **changes})


def server(reply: Callable[[Asked], Reply]) -> ScriptedServer:
    return ScriptedServer(reply)


def test_texts_are_combined_kept_and_counted(tmp_path: Path) -> None:
    with server(lambda asked: completion(json.dumps({"description": "Both."}), usage=USAGE)) as model:
        run = run_with(tmp_path, model)
        ballot = load_ballot(run)
        done = combine_by_model(run, merge_ballot(ballot, None), api_key="key")
        again = combine_by_model(run, merge_ballot(ballot, None), api_key="key")
        asked = list(model.asked)
    assert (done.combined, done.failed, len(asked)) == (2, 0, 2)
    assert again.merged == done.merged
    assert "anna's text 0." in asked[0].body["messages"][1]["content"][0]["text"]
    write_merged(run, ballot, done.merged, MergeSettings(None, "combine@1"), done.notes)
    row = read_merged(run, ballot)[0]
    assert row["realism_description"] == "Both."
    sources = [source for source in row["sources"] if source["field"] == "realism_description"]
    assert {source["rule"] for source in sources} == {COMBINED_BY_MODEL}
    assert [source["text"] for source in sources][:2] == ["anna's text 0.", "ben's text 0."]
    with CallRecord(run.calls_path) as calls:
        assert calls.spent()["combine"].calls == 2
        assert calls.spent()["combine"].cost_usd == pytest.approx(2 * (100 * 2.5 + 10 * 10) / 1e6)
        assert row["combine_call_keys"][0] in calls.get_many(row["combine_call_keys"])


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        pytest.param(completion("I will not.", refusal="I will not."), "combining refused", id="refused"),
        pytest.param(completion(json.dumps({"description": " "})), "combining failed", id="empty"),
        pytest.param(completion("no JSON"), "combining failed", id="not as asked"),
    ],
)
def test_the_rule_stands_where_the_model_does_not_answer(tmp_path: Path, reply: Reply, reason: str) -> None:
    with server(lambda asked: reply) as model:
        run = run_with(tmp_path, model)
        done = combine_by_model(run, merge_ballot(load_ballot(run), None), api_key="key")
    chosen = done.merged[0].descriptions["realism"]
    assert chosen is not None
    assert (done.combined, done.failed, chosen.rule) == (0, 2, COMBINED_BY_RULE)
    assert chosen.text == "anna's text 0. ben's text 0."
    assert reason in done.notes[done.merged[0].entity_id]["notes"]


def test_the_budget_holds(tmp_path: Path) -> None:
    with server(lambda asked: completion(json.dumps({"description": "Both."}), usage=USAGE)) as model:
        run = run_with(tmp_path, model)
        with pytest.raises(StoppedRun, match="--max-cost"):
            combine_by_model(run, merge_ballot(load_ballot(run), None), max_cost_usd=0.0001, api_key="key")
        assert model.asked == []
