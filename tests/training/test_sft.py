"""A whole run: what it leaves, what it says, and how it ends when something goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from few_rows import write_few
from PIL import Image
from safetensors.torch import load_file, save_file
from small_set import png
from transformers import AutoModelForImageTextToText
from typer.testing import CliRunner

from qreal_tasks.benchmark import PromptFrame, Style, frame_of, imageqa_prompt
from qreal_tasks.boxes import Space
from qreal_tasks.cli import app
from qreal_tasks.dataset.source import DatasetError, locate
from qreal_tasks.models.local.chat import Chat
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.records import GroundingRecord
from qreal_tasks.samples import grounding_record
from training.config import ConfigError, TrainConfig
from training.model import read_outline
from training.plan import make_plan
from training.run import sft
from training.run.checkpoints import (
    checkpoint_path,
    find_newest_checkpoint,
)
from training.run.held_out import HeldOutEvaluator
from training.run.sft import BatchTooLargeError, train
from training.run.trainer import ANSWER_ACCURACY, Tuner

pytestmark = pytest.mark.slow

MINI_RECIPE = str(Path(__file__).parents[2] / "configs" / "training" / "mini-imageqa.yaml")

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
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())  # of the table, whatever its width
    for part in ("What will be trained", "LoRA r=16", "learnt tokens", "kept back", "mini", "auc chooses the best"):
        assert part in printed
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


@pytest.mark.parametrize(
    ("task", "prompts"),
    [
        ("imageqa", "benchmark"),
        ("detect", "benchmark"),
        ("describe", "benchmark"),
        ("filter", "benchmark"),
        ("objectqa", "paper"),
        ("imageqa", "paper"),
    ],
)
def test_every_task_is_trained_and_evaluated(task: str, prompts: str, config: Callable[..., TrainConfig]) -> None:
    held_out = {"share": 0.1, "most": 2, "max_new_tokens": 700, "batch_size": 2}
    folder = train(config(task=task, prompts=prompts, max_steps=1, batch_size=4, held_out=held_out))
    last = [e for e in json.loads((folder / "history.json").read_text()) if "eval_loss" in e][-1]
    expected = {
        "objectqa": {"eval_acc", "eval_auc_plausibility_q4"},
        "imageqa": {"eval_iou", "eval_f1_at_50", "eval_unparsed"},
        "detect": {"eval_iou", "eval_f1_at_50", "eval_unparsed_detect"},
        "describe": {"eval_loss"},
        "filter": {"eval_acc_realism", "eval_auc_plausibility"},
    }[task]
    assert expected <= set(last)
    assert (folder / "final" / "adapter_model.safetensors").is_file()


BOTH: dict[str, Any] = {
    "task": ["objectqa", "imageqa"],
    "weights": {"objectqa": 0.5, "imageqa": 2},
    "batch_size": 24,
    "epochs": 2,
    "log_every_steps": 1,
    "lora": {"r": 16, "dropout": 0.1},
    "keep_checkpoints": 9,
    "save_every_steps": 1,
}


def test_several_tasks_are_trained_evaluated_and_gone_on_with(
    config: Callable[..., TrainConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gone on with in the second epoch, which holds another half of the crops than the first: equal to the bit."""
    held_out = {"share": 0.4, "most": 4, "max_new_tokens": 400, "batch_size": 4}
    recipe = config(**BOTH, held_out=held_out, data=str(write_few(tmp_path / "data", 8)))
    whole = train(recipe)
    history = json.loads((whole / "history.json").read_text())
    first, last = (entry for entry in history if "eval_loss" in entry)
    assert first["step"] * 2 == last["step"] > 2
    assert last["eval_mean"] == pytest.approx((last["eval_objectqa_auc"] + last["eval_imageqa_f1_at_50"]) / 2)
    assert {"eval_objectqa_acc_plausibility_q4", "eval_imageqa_iou_realism", "eval_imageqa_loss"} <= set(last)
    steps = [entry for entry in history if "loss" in entry]
    assert all(entry.keys() & {"objectqa_loss", "imageqa_loss"} for entry in steps)
    assert any(entry.keys() >= {"objectqa_loss", "imageqa_loss"} for entry in steps), "no batch was mixed"
    facts = json.loads((whole / "environment.json").read_text())
    counts = facts["tasks"].values()
    assert facts["questions"]["train"] == sum(of_task["questions"] for of_task in counts)
    printed = capsys.readouterr().out
    assert "mean chooses the best checkpoint" in " ".join(printed.replace("│", " ").split())

    killed = tmp_path / "killed"
    shutil.copytree(whole, killed)
    shutil.rmtree(killed / "final")
    for step in range(first["step"] + 2, last["step"] + 1):
        shutil.rmtree(checkpoint_path(killed, step))
    train(recipe, resume=killed)
    final = [load_file(folder / "final" / "adapter_model.safetensors") for folder in (whole, killed)]
    assert all(torch.equal(final[0][name], final[1][name]) for name in final[0])
    again = json.loads((killed / "history.json").read_text())
    apart = ("runtime", "_per_second")
    same = [{k: v for k, v in e.items() if not k.endswith(apart)} for e in history if "train_runtime" not in e]
    assert [{k: v for k, v in e.items() if not k.endswith(apart)} for e in again if "train_runtime" not in e] == same


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("family", ["qwen2_5_vl", "internvl", "llava_next"])
def test_evaluation_asks_what_was_learnt_and_reads_what_was_to_be_written(
    family: str, style: Style, config: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that says what the model was to learn stands for the model."""
    recipe = config(family, task="imageqa", prompts=style, held_out={"share": 0.3, "most": 12})
    plan = make_plan(recipe, locate("mini"), read_outline(recipe))
    evaluator = HeldOutEvaluator(plan)
    chat, end = Chat(plan.outline.processor), plan.outline.family.end_of_turn
    asked: list[str] = []
    records: list[GroundingRecord] = []

    def right(_: Any, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        for at, (request, row) in enumerate(zip(requests, evaluator._asked["imageqa"], strict=True)):
            asked.append(request.text)
            printed = row["answers"][0].removesuffix(end).strip()
            yield at, Response(printed, input_size=chat.ask(request.image, ["?"]).input_size)

    def kept(*given: Any, **named: Any) -> GroundingRecord:
        records.append(grounding_record(*given, **named))
        return records[-1]

    monkeypatch.setattr(TransformersEngine, "run", right)
    monkeypatch.setattr("training.run.held_out.grounding_record", kept)
    found = evaluator.evaluate(AutoModelForImageTextToText.from_pretrained(recipe.model))
    assert {name: found[name] for name in ("detection_rate", "f1_at_50", "unparsed", "false_alarm")} == {
        "detection_rate": 1.0,
        "f1_at_50": 1.0,
        "unparsed": 0.0,
        "false_alarm": 0.0,
    }
    assert found["iou"] > 0.95
    assert len(records) == len(asked) == 12
    for record, text in zip(records, asked, strict=True):
        frame = PromptFrame(record.pre_prompt, record.post_prompt)
        assert frame == frame_of(style, record.set_name)
        assert text == imageqa_prompt(record.set_name, Space(record.space), record.width, record.height, frame)


def test_frozen_parts_stay_and_the_others_learn(config: Callable[..., TrainConfig]) -> None:
    freeze = {"vision": True, "projector": False, "language": True}
    recipe = config("internvl", **SHORT | {"max_steps": 2, "held_out": {"share": 0}}, method="full", freeze=freeze)
    final = load_file(train(recipe) / "final" / "model.safetensors")
    before = load_file(Path(recipe.model) / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], final[name])}
    assert changed
    assert all("multi_modal_projector" in name for name in changed)


@pytest.mark.parametrize("style", Style)
def test_going_on_with_an_adapter_starts_from_its_weights(
    style: Style, config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    keys = SHORT | {"held_out": {"share": 0}, "prompts": style}
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
    monkeypatch.setattr(sft, "load_model", lambda *_: pytest.fail("the weights were loaded"))
    with pytest.raises(ConfigError, match=r"was made for .*qwen2_5_vl\d, and the model to be trained is .*llava_next"):
        train(config("llava_next", adapter=str(first / "final")))
    with pytest.raises(ConfigError, match=r"has r=16 alpha=32 dropout=0, which stay as they are"):
        train(config(adapter=str(first / "final"), lora={"r": 4, "dropout": 0.3}))
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
    monkeypatch.setattr(sft, "load_model", lambda *_: pytest.fail("the weights were loaded"))

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
    printed = str(error.value)
    assert "out of memory with 4 sequences of up to" in printed
    for advice in ("batch_size=12 gradient_accumulation=2", "gradient_checkpointing=true", "zero3.json", "max_pixels"):
        assert advice in printed


def test_out_of_memory_while_the_model_is_loaded_and_starting_again_with_other_keys(
    config: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(sft, "load_model", too_large)
        with pytest.raises(BatchTooLargeError, match="devices with more memory"):
            train(config(**SHORT))
    assert train(config(**SHORT | {"max_steps": 1})) == Path(str(config().output))


@pytest.mark.parametrize("early", [False, True])
def test_a_finished_run_is_not_trained_further(
    early: bool, config: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it died between its last checkpoint and ``final/``."""
    keys = SHORT | {"max_steps": 3, "schedule": "constant", "held_out": {"share": 0}}
    if early:  # at a learning rate of nothing no evaluation is better than the first
        held_out = {"share": 0.2, "most": 2, "early_stop": 1, "every_epochs": 0.03, "best": "loss"}
        keys |= {"max_steps": 8, "learning_rate": 1e-30, "held_out": held_out}
    recipe = config(**keys)
    folder = train(recipe)
    steps = json.loads((folder / "chosen.json").read_text())["of_steps"]
    assert steps < 8 if early else steps == 3
    before = load_file(folder / "final" / "adapter_model.safetensors")
    (folder / "final").rename(folder / "lost")
    monkeypatch.setattr(sft, "load_model", lambda *_: pytest.fail("the weights were loaded"))
    assert train(recipe, resume=folder) == folder
    after = load_file(folder / "final" / "adapter_model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_on_other_data_is_not_gone_on_with(config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    folder = train(config(**SHORT | {"max_steps": 1, "held_out": {"share": 0}}))
    moved = config(**SHORT | {"max_steps": 1, "held_out": {"share": 0}}, data=str(write_few(tmp_path / "data", 8)))
    with pytest.raises(ConfigError, match="was started with the data"):
        train(moved, resume=folder)


def test_a_run_with_other_texts_of_the_questions_is_not_gone_on_with(config: Callable[..., TrainConfig]) -> None:
    recipe = config(**SHORT | {"max_steps": 1, "held_out": {"share": 0}})
    folder = train(recipe)
    environment = json.loads((folder / "environment.json").read_text()) | {"prompt_version": "1"}
    (folder / "environment.json").write_text(json.dumps(environment))
    with pytest.raises(ConfigError, match="was started with version 1 of the prompts, and this is version"):
        train(recipe, resume=folder)


def test_one_program_trains_in_a_folder(config: Callable[..., TrainConfig], capsys: pytest.CaptureFixture[str]) -> None:
    recipe = config(**SHORT)
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        folder = sft._choose_folder(recipe, None, first)
        for resume in (None, folder):
            with pytest.raises(ConfigError, match=r"another program trains in .*; let it end first"):
                sft._choose_folder(recipe, resume, second)
    with contextlib.ExitStack() as third:
        assert sft._choose_folder(recipe, folder, third) == folder
        sft._tell_where(folder, ["checkpoint-8"])
        printed = "the first step: no checkpoint is whole; checkpoint-8 was being written or removed when the run died"
        assert printed in capsys.readouterr().out


_FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from training.run import trainer
save = trainer.Tuner._save_checkpoint
def with_a_full_disk(self, model, trial):
    if self.state.global_step > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    save(self, model, trial)
trainer.Tuner._save_checkpoint = with_a_full_disk
from training.commands import train_app
train_app(sys.argv[1:])
"""


@pytest.mark.harness
def test_a_full_disk_leaves_the_checkpoint_before_it_whole(config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    """The system refuses to write more than 60 kB into a file from the third step on, as a full disk would."""
    values = config(**SHORT | {"held_out": {"share": 0}}, save_every_steps=2).model_dump(mode="json")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "full_disk.py").write_text(_FULL_DISK)
    command = [sys.executable, str(tmp_path / "full_disk.py"), str(tmp_path / "recipe.yaml")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    run = Path(values["output"])
    assert done.returncode == 1
    last = done.stderr[done.stderr.rindex("qreal train:") :]
    assert f"checkpoint {run / 'checkpoint-4'} could not be saved" in last
    assert f"qreal train --resume {run}" in last
    whole = find_newest_checkpoint(run)
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
    ("given", "printed"),
    [
        (["train", "none.yaml"], "none.yaml: cannot be read"),
        (["train", "--resume", "none"], "none is not the folder of a training run"),
        (["train", "export", "none", "out"], "none is not the folder of a training run"),
        (["train", "run"], "name a recipe"),
        (["train", MINI_RECIPE, "prompts=papr"], "prompts is 'papr': Input should be 'benchmark' or 'paper'"),
        (["train", MINI_RECIPE, "prompts=paper", "task=detect"], "the paper prints no query of the agent's subtasks"),
    ],
)
def test_the_command_fails_with_one_line(given: list[str], printed: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 1
    assert printed in result.output
    assert "Traceback" not in result.output
