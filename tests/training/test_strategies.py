"""One process, two, and DeepSpeed learn the same adapter; a run that was interrupted ends the same."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from processes import COMPILER, ENVIRONMENT
from safetensors.torch import load_file

from training.config import TrainConfig
from training.run.checkpoints import COMPLETE, find_newest_checkpoint
from training.run.folder import read_processes
from training.run.trl_config import PRESETS

pytestmark = [pytest.mark.slow, pytest.mark.harness]

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, config_in: Callable[..., TrainConfig]) -> Path:
    """Six steps; two questions' worth of sequences a process halve what one process takes at once."""
    folder = tmp_path_factory.mktemp("recipe")
    keys = {"max_steps": 6, "group_by_length": False, "batch_size": 24, "learning_rate": 1e-3}
    values = config_in(output=str(folder), **keys).model_dump(mode="json")
    values |= {"output": None, "held_out": {"share": 0.1, "most": 4, "batch_size": 2}}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def start(*arguments: str, processes: int = 1) -> None:
    launcher = [sys.executable, "-m"]
    if processes > 1:
        launcher += ["torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", "-m"]
    command = [*launcher, "training", *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]


def run(recipe: Path, output: Path, *given: str, processes: int = 1) -> Path:
    start(str(recipe), f"output={output}", *given, processes=processes)
    return output


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "final" / "adapter_model.safetensors")


def farthest(a: Path, b: Path) -> float:
    first, second = adapter(a), adapter(b)
    assert first.keys() == second.keys()
    return max(float((first[k].float() - second[k].float()).abs().max()) for k in first)


def evaluated(folder: Path) -> dict[str, float]:
    history = json.loads((folder / "history.json").read_text())
    last = [entry for entry in history if "eval_loss" in entry][-1]
    return {k: v for k, v in last.items() if k in ("eval_loss", "eval_acc", "eval_auc")}


def test_two_processes_and_deepspeed_learn_the_same_adapter_and_go_on_with_it(recipe: Path, tmp_path: Path) -> None:
    plain = run(recipe, tmp_path / "plain")
    assert max(float(v.abs().max()) for k, v in adapter(plain).items() if "lora_B" in k) > 1e-3, "nothing was learnt"
    both = run(recipe, tmp_path / "ddp", "batch_size=12", processes=2)
    assert farthest(plain, both) < TOLERANCE
    assert evaluated(both) == pytest.approx(evaluated(plain), abs=1e-5), "shares of the processes are put together"
    if COMPILER is None:
        pytest.skip("no C++ compiler: DeepSpeed builds an operator for the CPU")
    for stage in (2, 3):
        spread = run(
            recipe,
            tmp_path / f"zero{stage}",
            "batch_size=12",
            f"deepspeed={PRESETS[f'zero{stage}']}",
            "save_every_steps=3",
            processes=2,
        )
        assert farthest(plain, spread) < TOLERANCE, f"stage {stage}"
        assert evaluated(spread) == pytest.approx(evaluated(plain), abs=1e-4), f"stage {stage}"

    killed = tmp_path / "killed"
    shutil.copytree(spread, killed)  # what is left of a run under stage 3 that died after its third step
    shutil.rmtree(killed / "final")
    shutil.rmtree(killed / "checkpoint-6")
    settings = yaml.safe_load((killed / "config.yaml").read_text()) | {"output": str(killed)}
    (killed / "config.yaml").write_text(yaml.safe_dump(settings))
    start("--resume", str(killed), processes=2)
    assert farthest(spread, killed) < TOLERANCE, "it goes on as if it had never stopped"


def test_a_killed_run_goes_on_and_ends_as_if_it_had_never_stopped(recipe: Path, tmp_path: Path) -> None:
    dropout = ("lora.dropout=0.1", "save_every_steps=2", "group_by_length=true")  # random states and order matter
    whole = run(recipe, tmp_path / "whole", *dropout)
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "training", str(recipe), f"output={killed}", *dropout]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (killed / "checkpoint-2" / COMPLETE).is_file():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stopped_at = find_newest_checkpoint(killed)
    assert stopped_at is not None
    assert not (killed / "final").exists()
    (killed / "checkpoint-999").mkdir()  # as if it had died while saving
    (killed / "checkpoint-999" / "adapter_model.safetensors").write_bytes(b"cut")
    start("--resume", str(killed))
    assert farthest(whole, killed) == 0
    assert evaluated(killed) == evaluated(whole)


def test_a_process_of_another_launcher_starts_none(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torchrun starts it on each of several machines."""
    lone = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    for name, value in lone.items():
        monkeypatch.setitem(ENVIRONMENT, name, value)
    folder = run(recipe, tmp_path / "run", "--processes", "2", "max_steps=1")
    assert read_processes(folder) == 1
