"""What the card says of how descriptions were made, counted from votes that are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from annotating import stage_of
from verified_run import write_voted_run

from annotation.merging.ballot import load_ballot, merge_ballot
from annotation.merging.combine import combine_by_model, describe_combiner
from annotation.merging.forms import DraftForm
from annotation.merging.merged_file import MergeSettings, write_merged
from annotation.publish.publish import PublishOptions, publish
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion


def result(place: int, drafted: DraftForm, who: str) -> dict[str, Any]:
    """Realism: one edit of entity 0, several of 1 and 2, and all empty that of 3. Of every portrait the torso goes."""
    edits: dict[str, Any] = {}
    if place == 0 and who == "ben":
        edits["realism"] = "It is flat."
    if place in (1, 2):
        edits["realism"] = f"{who} sees a flat one."
    if place == 3:
        edits |= {"realism": "", "realism_q1": "Yes", "realism_q2": "Yes"}
    if drafted.parts is not None:
        edits["torso"] = ""
    return {**drafted.answers, **edits}


def model(asked: Asked) -> Reply:
    field = "plausibility_description" if stage_of(asked) == "merge" else "description"
    return completion(json.dumps({field: "So says a model."}))


@pytest.mark.slow
@pytest.mark.parametrize("by_model", [False, True], ids=["by rule", "by a model"])
def test_the_card_says_how_descriptions_were_made(tmp_path: Path, by_model: bool) -> None:
    with ScriptedServer(model) as server:
        run = write_voted_run(tmp_path, 20, result, language_model={"base_url": server.url})
        ballot = load_ballot(run)
        merged, notes, by = merge_ballot(ballot, None), None, None
        if by_model:
            done = combine_by_model(run, merged)
            merged, notes, by = done.merged, done.notes, describe_combiner(run)
        write_merged(run, ballot, merged, MergeSettings(None, by), notes)
    publish(run, tmp_path / "set", PublishOptions())
    text = (tmp_path / "set" / "README.md").read_text()
    entities = len(ballot.forms)
    portraits = sum(form.parts is not None for form in ballot.forms.values())
    rows = {
        "unchanged draft": (entities - 4, entities - portraits),
        "one person's edit": (1, 0),
        "combined by rule": (0 if by_model else 2, 0),
        "combined by the language model": (2 if by_model else 0, 0),
        f"body parts integrated by {'the language model' if by_model else 'rule'}": (0, portraits),
        "left empty by the majority": (1, 0),
    }
    assert portraits
    for rule, (realism, plausibility) in rows.items():
        assert f"| {rule} | {realism} | {plausibility} |" in text
    assert ("\nby a language model (scripted; combine@2:" in text) == by_model
    assert ("\nby rule, sentence by sentence.\n" in text) != by_model
