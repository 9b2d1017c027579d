"""Tiny models that can learn, of every family, written once a session.

What takes seconds to import is imported where it is used: the tests of configs need none of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qreal_tasks.harness.eval_command.run import evaluate
from qreal_tasks.results.run_folder import find_results, read_run
from qreal_tasks.results.score import score_run
from training.config import TrainConfig
from training.recipe import parse_config


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny model, whose words are all alike: what it says it must learn."""
    import torch
    from transformers import AutoModelForImageTextToText

    from qreal_tasks.models import tiny

    writers = {
        "qwen2_5_vl": tiny.write_tiny_qwen2_5_vl,
        "qwen3_vl": tiny.write_tiny_qwen3_vl,
        "internvl": tiny.write_tiny_internvl,
        "llava_next": tiny.write_tiny_llava_next,
    }
    folders: dict[str, Path] = {}

    def folder_of(family: str) -> Path:
        if family not in folders:
            folders[family] = tmp_path_factory.mktemp(family)
            writers[family](folders[family])
            model = AutoModelForImageTextToText.from_pretrained(folders[family], dtype=torch.float32)
            with torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(0)
                model.lm_head.weight.normal_(0, 0.3)  # frozen under LoRA: it bounds what can be said
                model.get_input_embeddings().weight.normal_(0, 0.3)
            model.save_pretrained(folders[family])
        return folders[family]

    return folder_of


@pytest.fixture(scope="session")
def config_in(tiny_model: Callable[[str], Path]) -> Callable[..., TrainConfig]:
    """A config for a tiny model on this machine, changed by the keys given, of which ``output`` must be one."""

    def make(family: str = "qwen2_5_vl", **changed: Any) -> TrainConfig:
        values: dict[str, Any] = {
            "task": "objectqa",
            "model": str(tiny_model(family)),
            "data": "mini",
            "dtype": "float32",
            "gradient_checkpointing": False,
            "workers": 0,
            "report_to": "none",
            "batch_size": 12,
            "learning_rate": 5e-3,
            "weight_decay": 0.0,
            "lora": {"r": 16, "dropout": 0.0},
        }
        return parse_config(values | changed, "test")

    return make


@pytest.fixture
def config(tmp_path: Path, config_in: Callable[..., TrainConfig]) -> Callable[..., TrainConfig]:
    """The same for a run in the test's own folder."""

    def make(family: str = "qwen2_5_vl", **changed: Any) -> TrainConfig:
        return config_in(family, **{"output": str(tmp_path / "run")} | changed)

    return make


@pytest.fixture
def scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What ``qreal eval`` with ``qreal_hf`` says of a model on a dataset."""

    def evaluated(model_args: str, data: Path, tasks: str, backend: str = "qreal_hf") -> Any:
        monkeypatch.setenv("QREAL_DATA", str(data))
        monkeypatch.setenv("QREAL_ANSWERS", str(tmp_path / "answers.sqlite"))
        monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "2"))
        output = tmp_path / "results"
        given = ["--model", backend, "--model_args", f"{model_args}", "--tasks", tasks, "--output_path", str(output)]
        evaluate(given)
        return score_run(read_run(find_results(output)[-1]), resamples=0)

    return evaluated


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    if "tiny_model" not in request.fixturenames:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
