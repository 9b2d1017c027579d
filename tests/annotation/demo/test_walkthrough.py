"""``qreal annotate demo`` from end to end: what comes out is what the planted truth and the scripted errors imply."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from annotation import commands
from annotation.commands import annotate_app
from annotation.demo import people, script, walkthrough
from annotation.demo.findings import read_published_entities
from annotation.demo.scenes import PlantedEntity, load_demo_scenes
from annotation.merging.forms import load_forms
from annotation.run.folder import RunFolder
from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES
from qreal_tasks.boxes import iou_matrix
from qreal_tasks.dataset.source import locate
from qreal_tasks.llm.scripted_server import error
from qreal_tasks.records import JudgmentRecord
from qreal_tasks.results.run_folder import find_results, read_run

PEOPLE = people.ERROR_RATES


def call(*arguments: object) -> Any:
    return CliRunner(env={"COLUMNS": "200"}).invoke(annotate_app, [str(argument) for argument in arguments])


def wrong(who: str, rate: float, planted: PlantedEntity, name: str) -> bool:
    return script.errs(who, f"{planted.entity_id}/{name}", rate)


def majority(planted: PlantedEntity, name: str) -> str:
    """What three people decide, of whom each errs by the script."""
    outvoted = sum(wrong(who, rate, planted, name) for who, rate in PEOPLE.items()) > len(PEOPLE) / 2
    true = planted.answers[name]
    return ANSWERS[1 - ANSWERS.index(true)] if outvoted else true


@dataclass(frozen=True)
class Shown:
    """The demonstration, run once."""

    output: str
    folder: Path
    kept: dict[str, PlantedEntity]
    """Published entity to the drawn one."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("demo") / "out"
    found = call("demo", "--folder", folder)
    assert found.exit_code == 0, found.output
    run, scenes = RunFolder(folder / "run"), load_demo_scenes()
    by_content = {scene.content: scene for scene in scenes}
    scene_of = {one.image_id: by_content[one.content] for shard in run.shard_numbers for one in run.pictures(shard)}
    kept = {}
    for entity in read_published_entities(folder / "dataset"):
        scene = scene_of[entity["entity_id"].partition("#")[0]]
        kept[entity["entity_id"]] = next(one for one in scene.entities if one.label == entity["label"])
    return Shown(found.output, folder, kept)


@pytest.mark.slow
@pytest.mark.harness
class TestDemo:
    def test_most_of_what_was_drawn_is_published_with_the_boxes_it_was_drawn_in(self, shown: Shown) -> None:
        drawn = sum(len(scene.entities) for scene in load_demo_scenes())
        assert drawn / 2 <= len(shown.kept) <= drawn
        assert len({planted.entity_id for planted in shown.kept.values()}) == len(shown.kept)
        for entity in read_published_entities(shown.folder / "dataset"):
            planted = shown.kept[entity["entity_id"]]
            assert iou_matrix([entity["bbox"]], [planted.box_px])[0, 0] >= 0.75  # from .8 on, people leave a box

    def test_published_answers_are_the_majority_of_the_scripted_people(self, shown: Shown) -> None:
        for entity in read_published_entities(shown.folder / "dataset"):
            planted = shown.kept[entity["entity_id"]]
            assert {name: ANSWERS[entity[name]] for name in QUESTION_NAMES} == {
                name: majority(planted, name) for name in QUESTION_NAMES
            }

    def test_agreement_is_what_the_scripted_errors_imply(self, shown: Shown) -> None:
        report = json.loads((shown.folder / "run" / "verification" / "agreement.json").read_text())
        by_name = {one["name"]: one for one in report["questions"]}
        for name in QUESTION_NAMES:
            pairs, alike, machine = 0, 0, 0
            for planted in shown.kept.values():
                errors = [wrong(who, rate, planted, name) for who, rate in PEOPLE.items()]
                alike += sum(a == b for a, b in combinations(errors, 2))
                pairs += 3
                mine = wrong(script.ANNOTATOR, script.ERROR_RATES[script.ANNOTATOR], planted, name)
                machine += mine == (sum(errors) > 1)
            assert by_name[name]["percent_agreement"]["value"] == pytest.approx(alike / pairs)
            assert by_name[name]["machine_agrees"]["value"] == pytest.approx(machine / len(shown.kept))
        assert all(one["percent_agreement"]["value"] < 1 for one in by_name.values() if one["name"] == "realism_q1")

    def test_the_score_of_the_examinee_is_what_its_scripted_errors_imply(self, shown: Shown) -> None:
        run = read_run(find_results(shown.folder / "results")[-1])
        asked = [task for task in run.tasks if task.name in QUESTION_NAMES]
        assert [task.name for task in asked] == list(QUESTION_NAMES)
        for task in asked:
            records = [one for one in task.records if isinstance(one, JudgmentRecord)]
            assert len(records) >= 6
            rights = []
            for record in records:
                planted = shown.kept[record.entity_id]
                missed = wrong(script.EXAMINEE, script.ERROR_RATES[script.EXAMINEE], planted, task.name)
                answer = planted.answers[task.name]
                answer = ANSWERS[1 - ANSWERS.index(answer)] if missed else answer
                assert record.answer == answer
                assert record.p_yes == pytest.approx(script.P_ANSWER if answer == "Yes" else 1 - script.P_ANSWER)
                rights.append(answer == majority(planted, task.name))
            assert task.live["acc"] == pytest.approx(np.mean(rights))

    def test_the_quality_scores_are_the_planted_ones_of_the_crops(self, shown: Shown) -> None:
        for entity in read_published_entities(shown.folder / "dataset"):
            assert entity["quality_score"] == pytest.approx(shown.kept[entity["entity_id"]].quality, abs=1e-6)

    def test_the_set_says_that_it_was_drawn_so_no_board_takes_it(self, shown: Shown) -> None:
        assert locate(str(shown.folder / "dataset")).is_drawn

    def test_the_output_says_what_is_scripted_and_where_everything_is(self, shown: Shown) -> None:
        assert "The language model is SCRIPTED" in shown.output
        assert "people are simulated" in shown.output
        for path in ("run/preview.html", "run/verification/agreement.html", "dataset", "results"):
            assert str(shown.folder / path) in shown.output
            assert (shown.folder / path).exists()
        assert f"published {len(shown.kept)}" in shown.output
        assert "Try next: qreal annotate status" in shown.output

    def test_every_stage_was_run_and_its_commands_go_on_working_without_the_server(self, shown: Shown) -> None:
        run = shown.folder / "run"
        for name in ("status", "preview"):
            assert call(name, run).exit_code == 0
        again = call("run", run)  # nothing is left to ask
        assert again.exit_code == 0, again.output
        assert load_forms(RunFolder(run))
        assert "0 pending" in call("verify", "merge", run).output


@pytest.mark.parametrize("held", ["a file", "a folder with something in it"])
def test_what_is_there_already_is_not_touched(tmp_path: Path, held: str) -> None:
    folder = tmp_path / "out"
    mine = folder if held == "a file" else folder / "mine.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    found = call("demo", "--folder", folder)
    assert found.exit_code == 1
    assert "is there already; remove it, or give another --folder" in found.output
    assert mine.read_text() == "mine"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_what_is_not_installed_is_named_before_anything_is_written(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(commands, "find_spec", lambda name: None if name == "lmms_eval" else name)
    found = call("demo", "--folder", tmp_path / "out")
    assert found.exit_code == 1
    assert "lmms_eval not installed; install qreal-bench[eval,annotate,annotate-local]" in found.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [("DETECTOR", Path("/nowhere")), ("make_script", lambda scenes: lambda asked: error(400, "no"))],
    ids=["no detector", "a model that refuses everything"],
)
def test_a_command_that_fails_ends_the_demonstration_with_a_status(
    tmp_path: Path, monkeypatch: Any, name: str, value: Any
) -> None:
    monkeypatch.setattr(walkthrough, name, value)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    before = {name: os.environ.get(name) for name in walkthrough.ENVIRONMENT}
    found = call("demo", "--folder", tmp_path / "out")
    assert found.exit_code == 1
    assert "$ qreal annotate run" in found.output
    assert "Try next" not in found.output
    assert not (tmp_path / "out" / "dataset").exists()
    assert {name: os.environ.get(name) for name in walkthrough.ENVIRONMENT} == before
