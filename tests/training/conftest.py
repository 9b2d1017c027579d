"""Tiny models that can learn, of every family, written once a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText

from qreal_tasks.models.tiny import (
    write_tiny_internvl,
    write_tiny_llava_next,
    write_tiny_qwen2_5_vl,
    write_tiny_qwen3_vl,
)
from training.config import TrainConfig, checked

WRITERS = {
    "qwen2_5_vl": write_tiny_qwen2_5_vl,
    "qwen3_vl": write_tiny_qwen3_vl,
    "internvl": write_tiny_internvl,
    "llava_next": write_tiny_llava_next,
}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny model, whose words are all alike: what it says it must learn."""
    folders: dict[str, Path] = {}

    def folder_of(family: str) -> Path:
        if family not in folders:
            folders[family] = tmp_path_factory.mktemp(family)
            WRITERS[family](folders[family])
            model = AutoModelForImageTextToText.from_pretrained(folders[family], dtype=torch.float32)
            with torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(0)
                model.lm_head.weight.normal_(0, 0.3)  # frozen under LoRA: it bounds what can be said
                model.get_input_embeddings().weight.normal_(0, 0.3)
            model.save_pretrained(folders[family])
        return folders[family]

    return folder_of


@pytest.fixture
def config(tmp_path: Path, tiny_model: Callable[[str], Path]) -> Callable[..., TrainConfig]:
    """A config for a tiny model on this machine, changed by the keys given."""

    def make(family: str = "qwen2_5_vl", **changed: Any) -> TrainConfig:
        values: dict[str, Any] = {
            "task": "objectqa",
            "model": str(tiny_model(family)),
            "data": "mini",
            "output": str(tmp_path / "run"),
            "dtype": "float32",
            "gradient_checkpointing": False,
            "workers": 0,
            "report_to": "none",
            "batch_size": 12,
            "learning_rate": 5e-3,
            "weight_decay": 0.0,
            "lora": {"r": 16, "dropout": 0.0},
        }
        return checked(values | changed, "test")

    return make


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
