"""``qreal train --processes``: one command for several processes, from any folder, that ends as they end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from few_rows import write_few
from processes import COMPILER, ENVIRONMENT

from training.config import TrainConfig
from training.run.folder import read_config, read_processes

QREAL = [sys.executable, "-P", "-c", "from qreal_tasks.cli import main; main()", "train"]
ROOT = str(Path(__file__).parents[2])
pytestmark = pytest.mark.slow  # the one that starts in no fork proves that the user's own package is not started


@pytest.fixture
def folder(tmp_path: Path, config: Callable[..., TrainConfig]) -> Path:
    """A user's folder with a recipe, data and a package ``training`` of the user's own."""
    here = tmp_path / "mine"
    (here / "training").mkdir(parents=True)
    (here / "training" / "__init__.py").write_text("raise SystemExit('the user's own package was started')")
    write_few(here / "few", 4)
    keys: dict[str, Any] = {"max_steps": 2, "held_out": {"share": 0}, "data": "few", "output": "run", "epochs": 100}
    values = config(**keys).model_dump(mode="json")
    (here / "recipe.yaml").write_text(yaml.safe_dump(values))
    return here


def start(folder: Path, *given: str) -> subprocess.Popen[str]:
    environment = {**ENVIRONMENT, "PYTHONPATH": ROOT}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([*QREAL, *given], cwd=folder, env=environment, **pipes)  # type: ignore[call-overload, no-any-return]


@pytest.mark.harness
def test_processes_are_started_with_deepspeed_by_name_and_gone_on_with(folder: Path) -> None:
    named = ["--deepspeed", "zero2"] if COMPILER else []
    process = start(folder, "recipe.yaml", "--processes", "2", *named, "learning_rate=1e-4")
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert output.count("Done: run\n") == 1
    assert read_processes(folder / "run") == 2
    assert read_config(folder / "run").learning_rate == 1e-4
    (folder / "run" / "final").rename(folder / "run" / "lost")
    again = start(folder, "--resume", "run")
    output, _ = again.communicate(timeout=600)
    assert again.returncode == 0, output
    assert (folder / "run" / "final" / "adapter_model.safetensors").is_file()
    if COMPILER is None:
        pytest.skip("no C++ compiler: DeepSpeed builds an operator for the CPU; without it the same is proved above")
    assert read_config(folder / "run").deepspeed == "zero2"


@pytest.mark.harness
def test_what_a_process_ends_with_is_what_the_command_ends_with(folder: Path) -> None:
    process = start(folder, "recipe.yaml", "--processes", "2", "held_out.share=0.99")
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 1, output
    assert "leaves none to train on" in output
    last = output.strip().splitlines()[-1]
    assert last.startswith("qreal train: process ")
    assert last.endswith("of 2 ended with status 1; its messages are above")
    assert "Traceback" not in output


def test_a_run_that_is_interrupted_leaves_no_process(folder: Path) -> None:
    process = start(folder, "recipe.yaml", "--processes", "2", "max_steps=100000", "save_every_steps=1")
    deadline = time.monotonic() + 500
    while not (folder / "run" / "config.yaml").is_file():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGINT, output[-3000:]
    assert output.strip().splitlines()[-1] == "qreal train: stopped by SIGINT"
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]
