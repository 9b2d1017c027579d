"""What is handed on: the same answers merged or not, a card that says what it is, nothing written over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from straightforward import picture
from transformers import AutoProcessor
from typer.testing import CliRunner
from written_run import write_run

from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES, objectqa_prompt
from qreal_tasks.cli import app
from qreal_tasks.models.requests import Request
from qreal_tasks.models.transformers_engine import TransformersEngine
from qreal_tasks.report.run_folder import RunFolderError
from training.config import ConfigError, TrainConfig
from training.export import export, push
from training.sft import train


@pytest.fixture
def run(config: Callable[..., TrainConfig]) -> Path:
    return train(config(max_steps=3, batch_size=24, held_out={"share": 0}, max_pixels=28 * 28 * 9))


def answers(**given: Any) -> list[float]:
    engine = TransformersEngine(**given, dtype="float32")
    image = picture(150, 110, seed=2)
    asked = [Request(image, objectqa_prompt(name, "dog"), ANSWERS) for name in QUESTION_NAMES]
    found = dict(engine.run(asked))
    width, height = found[0].input_size or (0, 0)
    assert 0 < width * height <= 28 * 28 * 9
    return [found[at].p[1] for at in range(len(asked))]  # type: ignore[index]


def test_merged_and_adapter_give_the_same_answers_with_the_pixels_of_training(run: Path, tmp_path: Path) -> None:
    merged = export(run, tmp_path / "merged")
    adapter = export(run, tmp_path / "adapter", merge=False)
    assert merged.model_args == f"pretrained={tmp_path / 'merged'}"
    base = yaml.safe_load((run / "config.yaml").read_text())["model"]
    assert adapter.model_args == f"pretrained={base},adapter={tmp_path / 'adapter'}"
    expected = answers(pretrained=str(merged.folder))
    assert answers(pretrained=base, adapter=str(adapter.folder)) == pytest.approx(expected, abs=1e-5)
    assert answers(pretrained=base, adapter=str(adapter.folder), merge_adapter=False) == pytest.approx(
        expected, abs=1e-5
    )
    untuned = TransformersEngine(base, dtype="float32", max_pixels=28 * 28 * 9)
    request = Request(picture(150, 110, seed=2), objectqa_prompt(QUESTION_NAMES[0], "dog"), ANSWERS)
    assert abs(dict(untuned.run([request]))[0].p[1] - expected[0]) > 1e-3, "nothing was learnt, this proves nothing"
    assert AutoProcessor.from_pretrained(merged.folder).image_processor.size["longest_edge"] == 28 * 28 * 9


def test_the_card_says_what_it_is_and_not_where_it_lay(run: Path, tmp_path: Path) -> None:
    folder = export(run, tmp_path / "model").folder
    card = ModelCard.load(folder / "README.md")
    assert card.data.library_name == "transformers"
    assert "objectqa" in card.data.tags
    for said in ("Trained on `mini`", "LoRA with rank 16", "max_pixels=7056", "sha256", "pretrained=FOLDER"):
        assert said in card.text, said
    adapter = export(run, tmp_path / "adapter", merge=False, results=write_run(tmp_path / "results")).folder
    with pytest.raises(ConfigError, match="--push org/name"):  # there is no hub; what would go up is ready
        push(adapter, "org/name", private=True)
    for path in (*folder.iterdir(), *adapter.iterdir()):
        if path.suffix in (".md", ".json", ".yaml", ".jinja"):
            assert str(tmp_path.parent) not in path.read_text(encoding="utf-8"), path.name
    assert json.loads((folder / "training_environment.json").read_text())["processes"] == 1
    assert (folder / "training_curves.png").is_file()


def test_scores_come_into_the_card_without_writing_the_model_again(run: Path, tmp_path: Path) -> None:
    folder = export(run, tmp_path / "model").folder
    before = (folder / "model.safetensors").stat().st_mtime_ns
    export(run, folder, results=write_run(tmp_path / "results"))
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    card = ModelCard.load(folder / "README.md")
    assert "## Scores" in card.text
    with pytest.raises(ConfigError, match="in the other form"):
        export(run, folder, merge=False)
    assert card.data.eval_results
    assert {result.metric_type for result in card.data.eval_results} >= {"acc", "f1"}


def test_what_cannot_be_exported_is_refused_and_nothing_is_written(run: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("x")
    with pytest.raises(ConfigError, match="holds something already"):
        export(run, taken)
    with pytest.raises(RunFolderError):
        export(run, tmp_path / "model", results=taken)
    settings = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(settings | {"model": str(tmp_path / "gone")}))
    with pytest.raises(ConfigError, match=r"the base model .*gone cannot be loaded"):
        export(run, tmp_path / "model")
    assert not (tmp_path / "model.partial").exists()
    (run / "final").rename(run / "finale")
    with pytest.raises(ConfigError, match=r"the run has not finished; go on with `qreal train --resume"):
        export(run, tmp_path / "model")
    assert [path.name for path in taken.iterdir()] == ["mine.txt"]
    assert not (tmp_path / "model").exists()


def test_push_without_a_hub_says_so_and_keeps_the_folder(run: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", "export", str(run), str(tmp_path / "model"), "--push", "org/name"])
    assert result.exit_code == 1
    assert "--push org/name:" in result.output
    assert (tmp_path / "model" / "model.safetensors").is_file()
    with pytest.raises(ConfigError, match="push it again when mended"):
        push(tmp_path / "model", "not a name", private=True)
