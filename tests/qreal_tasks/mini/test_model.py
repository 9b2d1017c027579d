"""The shipped model: small, whole, and as good as its card says on scenes that training never saw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mini_model_scores import compare_with_baselines, count_descriptions, load_references
from typer.testing import CliRunner

from qreal_tasks.benchmark import QUESTION_NAMES, Dimension
from qreal_tasks.cli import app
from qreal_tasks.metrics.objectqa import OVERALL
from qreal_tasks.mini import MINI_MODEL, MINI_SEED
from qreal_tasks.mini.write import draw_mini
from qreal_tasks.results.run_folder import Run, find_results, read_run
from qreal_tasks.results.score import RunScores, score_run

TRAINING_SEED, UNSEEN_SEED = 11, 21
IMAGES = 160


def test_it_is_small_and_has_a_card() -> None:
    files = {path.name: path.stat().st_size for path in MINI_MODEL.iterdir()}
    assert max(files.values()) <= 4_000_000
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= files.keys()
    card = (MINI_MODEL / "README.md").read_text(encoding="utf-8")
    for heading in ("## What it is not for", "## How it was made", "## Scores"):
        assert heading in card
    assert f"seed {TRAINING_SEED}" in card
    assert TRAINING_SEED not in (UNSEEN_SEED, MINI_SEED)
    settings = json.loads((MINI_MODEL / "config.json").read_text(encoding="utf-8"))
    assert settings["dtype"] == "float32", "stored in half of it, but computed with in full"
    assert "_name_or_path" not in settings


def test_the_command_copies_it_and_overwrites_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["mini-model", str(tmp_path / "copy")])
    assert done.exit_code == 0, done.output
    assert {p.name: p.read_bytes() for p in (tmp_path / "copy").iterdir()} == {
        p.name: p.read_bytes() for p in MINI_MODEL.iterdir()
    }
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    assert CliRunner().invoke(app, ["mini-model", str(tmp_path / "full")]).exit_code == 1
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unseen") / "set"
    draw_mini(folder, IMAGES, UNSEEN_SEED, test_share=0.6)
    return folder


@pytest.fixture(scope="module")
def run(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What ``qreal eval`` leaves."""
    out = tmp_path_factory.mktemp("eval")
    model = ("--model", "qreal_hf", "--model_args", f"pretrained=mini,store={out / 'answers.sqlite'}")
    subprocess.run(
        [
            *(sys.executable, "-c", "from qreal_tasks.cli import main; main()", "eval", *model),
            *("--batch_size", "32", "--output_path", str(out / "results")),
        ],
        env={**os.environ, "QREAL_DATA": str(drawn)},
        check=True,
        capture_output=True,
    )
    return read_run(find_results(out / "results")[-1])


@pytest.fixture(scope="module")
def scores(run: Run) -> RunScores:
    return score_run(run, resamples=0)


@pytest.mark.harness
def test_every_question_is_answered_better_than_without_the_picture(run: Run, drawn: Path) -> None:
    """Against the majority and the majority among entities of the same label, whichever is better."""
    known = load_references(drawn) + load_references(drawn, "test")  # also its own answers: no majority does better
    for name, one in compare_with_baselines(run.judgments(), known).items():
        assert one.gain.low is not None
        assert one.gain.low > 0, f"{name} {one}"


@pytest.mark.harness
def test_answers_are_right(scores: RunScores) -> None:
    mean = scores.objectqa[OVERALL].metrics
    assert mean["acc"] is not None
    assert mean["auc"] is not None
    assert mean["acc"] >= 0.88
    assert mean["auc"] >= 0.94
    assert all(scores.objectqa[name].metrics["unparsed"] == 0 for name in QUESTION_NAMES)


@pytest.mark.harness
@pytest.mark.parametrize("dimension", Dimension)
def test_flawed_entities_are_found(dimension: Dimension, scores: RunScores) -> None:
    found = scores.imageqa[dimension].metrics
    assert found["iou"] is not None
    assert found["f1_at_50"] is not None
    assert found["iou"] >= 0.80
    assert found["f1_at_50"] >= 0.75


@pytest.mark.harness
def test_descriptions_name_a_flaw_that_is_there(run: Run) -> None:
    counted = count_descriptions([one for name in Dimension for one in run.groundings(name)])
    assert counted.found > 100
    assert counted.right_kind >= counted.found / 2
