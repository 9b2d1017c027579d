"""Gradients are the same however memory is saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from training.config import TrainConfig
from training.run.sft import train

pytestmark = pytest.mark.slow


def _adapters(config: Callable[..., TrainConfig], tmp_path: Path, family: str, *changes: dict[str, Any]) -> list[Any]:
    """What two steps without dropout leave, for each change of the config."""
    common = {"max_steps": 2, "held_out": {"share": 0}, "group_by_length": False, "learning_rate": 1e-3}
    left = []
    for number, changed in enumerate(changes):
        folder = train(config(family, **common, output=str(tmp_path / str(number)), **changed))
        left.append(load_file(folder / "final" / "adapter_model.safetensors"))
    assert any(float(w.abs().max()) > 1e-4 for name, w in left[0].items() if "lora_B" in name), "nothing was learnt"
    return left


def _farthest(a: Any, b: Any) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "internvl", "llava_next"])
def test_gradient_checkpointing_changes_memory_only(
    family: str, config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """Though the frozen vision tower keeps nothing for a backward pass."""
    changes = [{"gradient_checkpointing": on} for on in (False, True)]
    plain, checkpointed = _adapters(config, tmp_path, family, *changes)
    assert _farthest(plain, checkpointed) < 1e-5


def test_accumulated_gradients_are_those_of_one_batch_where_the_family_says_so(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """ImageQA's answers differ in length: a mean of means would weigh their tokens otherwise."""
    changes = [
        {"task": "imageqa", "batch_size": 8},
        {"task": "imageqa", "batch_size": 2, "gradient_accumulation": 4},
    ]
    at_once, accumulated = _adapters(config, tmp_path, "internvl", *changes)
    assert _farthest(at_once, accumulated) < 1e-5
    at_once, accumulated = _adapters(config, tmp_path / "qwen", "qwen2_5_vl", *changes)
    assert _farthest(at_once, accumulated) > 1e-5, "this family takes the mean of each batch"
