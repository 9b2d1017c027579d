"""A whole run: what it leaves, what it says, and how it ends when something goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file
from small_set import png
from typer.testing import CliRunner

from qreal_tasks.cli import app
from qreal_tasks.dataset import DatasetError
from training import sft
from training.config import ConfigError, TrainConfig
from training.run_folder import newest_checkpoint
from training.sft import BatchTooLargeError, train
from training.trainer import ANSWER_ACCURACY, Tuner

SHORT: dict[str, Any] = {
    "max_steps": 4,
    "batch_size": 24,
    "held_out": {"share": 0.2, "most": 6, "every_epochs": 0.05},
    "epochs": 1,
    "log_every_steps": 1,
}


def test_a_run_leaves_what_is_needed_to_repeat_and_to_see_it(
    config: Callable[..., TrainConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = config(**SHORT, report_to="tensorboard")
    folder = train(recipe)
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())  # of the table, whatever its width
    for part in ("What will be trained", "LoRA r=16", "learnt tokens", "kept back", "mini", "auc chooses the best"):
        assert part in said
    assert TrainConfig(**yaml.safe_load((folder / "config.yaml").read_text())) == recipe
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["data"]["name"] == "mini"
    assert len(environment["data"]["sha256"]) == 64
    assert environment["trainable_parameters"] == 32768
    assert "torch==" in (folder / "constraints.txt").read_text()
    history = json.loads((folder / "history.json").read_text())
    steps = [entry["step"] for entry in history if "loss" in entry]
    assert steps == [1, 2, 3, 4]
    assert all(ANSWER_ACCURACY in entry for entry in history if "loss" in entry)
    evaluations = [entry for entry in history if "eval_loss" in entry]
    assert evaluations
    assert all(0 <= entry["eval_acc"] <= 1 for entry in evaluations)
    assert {f"eval_auc_{n}" for n in recipe.questions} <= set(evaluations[0])
    with Image.open(folder / "curves.png") as picture:
        assert picture.width > 600
    assert list((folder / "tensorboard").glob("events.*"))
    best = max(evaluations, key=lambda entry: entry["eval_auc"])  # the first of equals
    kept = load_file(folder / f"checkpoint-{best['step']}" / "adapter_model.safetensors")
    final = load_file(folder / "final" / "adapter_model.safetensors")
    assert all(torch.equal(final[name], kept[name]) for name in final), "final is the best checkpoint"
    assert not {"optimizer.pt", "trainer_state.json"} & {path.name for path in (folder / "final").iterdir()}


@pytest.mark.parametrize("task", ["imageqa", "detect", "describe", "filter"])
def test_every_task_is_trained_and_evaluated(task: str, config: Callable[..., TrainConfig]) -> None:
    held_out = {"share": 0.1, "most": 2, "max_new_tokens": 700, "batch_size": 2}
    folder = train(config(task=task, max_steps=1, batch_size=4, held_out=held_out))
    last = [e for e in json.loads((folder / "history.json").read_text()) if "eval_loss" in e][-1]
    expected = {
        "imageqa": {"eval_iou", "eval_f1_at_50", "eval_unparsed"},
        "detect": {"eval_iou", "eval_f1_at_50", "eval_unparsed_detect"},
        "describe": {"eval_loss"},
        "filter": {"eval_acc_realism", "eval_auc_plausibility"},
    }[task]
    assert expected <= set(last)
    assert (folder / "final" / "adapter_model.safetensors").is_file()


def test_frozen_parts_stay_and_the_others_learn(config: Callable[..., TrainConfig]) -> None:
    freeze = {"vision": True, "projector": False, "language": True}
    recipe = config("internvl", **SHORT | {"max_steps": 2, "held_out": {"share": 0}}, method="full", freeze=freeze)
    final = load_file(train(recipe) / "final" / "model.safetensors")
    before = load_file(Path(recipe.model) / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], final[name])}
    assert changed
    assert all("multi_modal_projector" in name for name in changed)


def test_going_on_with_an_adapter_starts_from_its_weights(config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    keys = SHORT | {"held_out": {"share": 0}}
    first = train(config(**keys, output=str(tmp_path / "first")))
    start = load_file(first / "final" / "adapter_model.safetensors")
    second = config(**keys | {"task": "imageqa", "batch_size": 2}, adapter=str(first / "final"), learning_rate=1e-12)
    after = load_file(train(second) / "final" / "adapter_model.safetensors")
    assert start.keys() == after.keys()
    assert all(torch.allclose(start[name], after[name], atol=1e-9) for name in start)
    assert any(float(weight.abs().max()) > 1e-3 for name, weight in start.items() if "lora_B" in name)


def test_an_adapter_of_another_model_is_refused_before_loading(
    config: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(config(**SHORT | {"max_steps": 1, "held_out": {"share": 0}}, output=str(tmp_path / "first")))
    monkeypatch.setattr(sft, "loaded", lambda *_: pytest.fail("the weights were loaded"))
    with pytest.raises(ConfigError, match=r"was made for .*, a qwen2_5_vl; the model to be trained is a llava_next"):
        train(config("llava_next", adapter=str(first / "final")))
    weights = load_file(first / "final" / "adapter_model.safetensors")
    save_file(
        {name: weight[:, :8].contiguous() for name, weight in weights.items()},
        first / "final" / "adapter_model.safetensors",
    )
    with pytest.raises(ConfigError, match=r"was made for another model: \d+ of its weights differ, first base_model"):
        train(config(adapter=str(first / "final")))


def test_damaged_data_is_refused_before_loading(
    config: Callable[..., TrainConfig], small_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sft, "loaded", lambda *_: pytest.fail("the weights were loaded"))

    def spoil(rows: Any) -> None:
        rows["objectqa"]["train"][1]["image"]["bytes"] = png(30, 40)[:40]

    with pytest.raises(DatasetError, match=r"1 problems in its train split.*\n.*objectqa/train row 1"):
        train(config(data=str(small_dataset(spoil))))


def test_out_of_memory_says_what_to_change(config: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(Tuner, "compute_loss", too_large)
    with pytest.raises(BatchTooLargeError) as error:
        train(config(**SHORT))
    said = str(error.value)
    assert "out of memory with 4 sequences of up to" in said
    for advice in ("batch_size=12 gradient_accumulation=2", "gradient_checkpointing=true", "zero3.json", "max_pixels"):
        assert advice in said


_FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from training.run_folder import read_config, COMPLETE
from training.config import load_config
from training import trainer
save = trainer.Tuner._save_checkpoint
def with_a_full_disk(self, model, trial):
    if self.state.global_step > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    save(self, model, trial)
trainer.Tuner._save_checkpoint = with_a_full_disk
from training.commands import train_app
train_app(sys.argv[1:])
"""


def test_a_full_disk_leaves_the_checkpoint_before_it_whole(config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    """The system refuses to write more than 60 kB into a file from the third step on, as a full disk would."""
    values = config(**SHORT | {"held_out": {"share": 0}}, save_every_steps=2).model_dump(mode="json")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    command = [sys.executable, "-c", _FULL_DISK, str(tmp_path / "recipe.yaml")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    run = Path(values["output"])
    assert done.returncode == 1
    last = done.stderr[done.stderr.rindex("qreal train:") :]
    assert f"checkpoint {run / 'checkpoint-4'} could not be saved" in last
    assert f"qreal train --resume {run}" in last
    whole = newest_checkpoint(run)
    assert whole == run / "checkpoint-2"
    assert not (run / "checkpoint-4").exists()
    assert load_file(whole / "adapter_model.safetensors")


def test_a_folder_that_holds_something_is_not_written_over(config: Callable[..., TrainConfig]) -> None:
    recipe = config(**SHORT)
    Path(str(recipe.output)).mkdir()
    (Path(str(recipe.output)) / "mine.txt").write_text("x")
    with pytest.raises(ConfigError, match="holds something already: name another, or go on with --resume"):
        train(recipe)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["train", "none.yaml"], "none.yaml: cannot be read"),
        (["train", "--resume", "none"], "none is not the folder of a training run"),
        (["train", "export", "none", "out"], "none is not the folder of a training run"),
        (["train", "run"], "name a recipe"),
    ],
)
def test_the_command_fails_with_one_line(given: list[str], said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output
