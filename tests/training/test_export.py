"""What is handed on: the same answers merged or not, a card that says what it is, nothing written over."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from few_rows import write_few
from huggingface_hub import ModelCard
from small_set import small_rows, write_hub_layout
from straightforward import picture
from transformers import AutoProcessor
from typer.testing import CliRunner
from written_run import write_run

from qreal_tasks.benchmark import LEAVES, QUESTION_NAMES, objectqa_prompt
from qreal_tasks.cli import app
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.local.prefix import SharedPrompts
from qreal_tasks.results.run_folder import RunFolderError
from training.config import ConfigError, TrainConfig
from training.export.card import write_card
from training.export.export import export, push
from training.run.folder import DRAWN, describe_data
from training.run.sft import train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(config_in: Callable[..., TrainConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; not to be changed."""
    output = str(tmp_path_factory.mktemp("trained") / "run")
    return train(config_in(output=output, max_steps=3, batch_size=24, held_out={"share": 0}, max_pixels=28 * 28 * 9))


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@torch.inference_mode()
def first_tokens(**given: Any) -> Any:
    """Probabilities of the first answer token over the vocabulary, for the six questions about one crop."""
    engine = TransformersEngine(**given, dtype="float32")
    asked = engine._chat.ask(picture(150, 110, seed=2), [objectqa_prompt(name) for name in QUESTION_NAMES])
    width, height = asked.input_size
    assert width * height <= 28 * 28 * 9
    return SharedPrompts(engine.model, [asked], engine._pad).ask().softmax(1).numpy()


def test_merged_and_adapter_give_the_same_answers_with_the_pixels_of_training(run: Path, tmp_path: Path) -> None:
    merged = export(run, tmp_path / "merged")
    adapter = export(run, tmp_path / "adapter", merge=False)
    assert merged.model_args == f"pretrained={tmp_path / 'merged'}"
    base = yaml.safe_load((run / "config.yaml").read_text())["model"]
    assert adapter.model_args == f"pretrained={base},adapter={tmp_path / 'adapter'}"
    expected = first_tokens(pretrained=str(merged.folder))
    given = {"pretrained": base, "adapter": str(adapter.folder)}
    assert first_tokens(**given) == pytest.approx(expected, abs=1e-5)
    assert first_tokens(**given, merge_adapter=False) == pytest.approx(expected, abs=1e-5)
    untuned = first_tokens(pretrained=base, max_pixels=28 * 28 * 9)
    assert abs(untuned - expected).max() > 1e-3, "nothing was learnt, this proves nothing"
    assert AutoProcessor.from_pretrained(merged.folder).image_processor.size["longest_edge"] == 28 * 28 * 9


def test_the_card_says_what_it_is_and_not_where_it_lay(run: Path, tmp_path: Path) -> None:
    folder = export(run, tmp_path / "model").folder
    card = ModelCard.load(folder / "README.md")
    assert card.data.library_name == "transformers"
    assert "objectqa" in card.data.tags
    for printed in ("Trained on `mini`", "LoRA with rank 16", "max_pixels=7056", "sha256", "pretrained=FOLDER"):
        assert printed in card.text, printed
    adapter = export(run, tmp_path / "adapter", merge=False, results=write_run(tmp_path / "results")).folder
    with pytest.raises(ConfigError, match="--push org/name"):  # there is no hub; what would go up is ready
        push(adapter, "org/name", private=True)
    for path in (*folder.iterdir(), *adapter.iterdir()):
        if path.suffix in (".md", ".json", ".yaml", ".jinja"):
            assert str(tmp_path.parent) not in path.read_text(encoding="utf-8"), path.name
    assert json.loads((folder / "training_environment.json").read_text())["processes"] == 1
    assert (folder / "training_curves.png").is_file()


CARDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "benchmark": (
        {},
        "qreal eval --model qreal_hf --model_args pretrained=FOLDER --tasks qreal_objectqa",
        "prompts of the tasks `qreal`: the paper's queries, and behind them how to answer",
    ),
    "paper": (
        {"task": "imageqa", "prompts": "paper"},
        "qreal eval --model qreal_hf --model_args pretrained=FOLDER --tasks qreal_paper_imageqa",
        "prompts of the tasks `qreal_paper`: the paper's bare queries",
    ),
    "both halves": (
        {"task": ["objectqa", "imageqa"]},
        "qreal eval --model qreal_hf --model_args pretrained=FOLDER --tasks qreal_objectqa,qreal_imageqa",
        "tuned on the tasks **objectqa** and **imageqa** of",
    ),
    "a third of the agent": (
        {"task": "filter"},
        "qreal eval --model qreal_agent --model_args detect=DETECT,filter=FOLDER,describe=DESCRIBE "
        "--tasks qreal_imageqa",
        "prompts of the agent's subtasks",
    ),
}


@pytest.mark.parametrize("case", CARDS)
def test_the_card_and_the_command_say_how_to_ask(case: str, config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    keys, command, prompts = CARDS[case]
    run = train(config(**keys, max_steps=1, batch_size=2, held_out={"share": 0}))
    exported = export(run, tmp_path / "model")
    card = ModelCard.load(exported.folder / "README.md")
    assert command in card.text.splitlines()
    assert exported.command == command.replace("FOLDER", str(tmp_path / "model"))
    assert prompts in " ".join(card.text.split())
    assert f"prompts: {keys.get('prompts', 'benchmark')}" in card.text
    assert "this project's" not in card.text


def test_scores_of_other_prompts_are_refused(config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    run = train(config(prompts="paper", max_steps=1, batch_size=24, held_out={"share": 0}))
    with pytest.raises(RunFolderError, match="no task of qreal_paper in it; found qreal_"):
        export(run, tmp_path / "model", results=write_run(tmp_path / "results"))
    assert not (tmp_path / "model").exists()


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
    assert {result.task_name for result in card.data.eval_results} <= {*LEAVES}


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
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".model", "model"))]
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


def test_drawn_data_is_called_that_under_any_name(
    run: Path, config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    drawn, others = write_few(tmp_path / "drawn", 3), write_hub_layout(tmp_path / "others", small_rows())
    facts = {
        path: describe_data(locate(str(path)), {"objectqa": load_split(locate(str(path)), "objectqa", "train")})
        for path in (drawn, others)
    }
    assert facts[drawn]["origin"] == DRAWN
    assert "origin" not in facts[others]
    environment = json.loads((run / "environment.json").read_text())
    for path, warned in ((drawn, True), (others, False)):
        (run / "environment.json").write_text(json.dumps({**environment, "data": facts[path]}))
        text = write_card(run, config(max_steps=3), merged=False, results=None)
        assert ("Trained on `mini`" in text) is warned
