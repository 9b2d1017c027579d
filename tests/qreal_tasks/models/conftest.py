"""Tiny models of every family, written once a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from straightforward import talkative

from qreal_tasks.models.tiny import (
    write_tiny_internvl,
    write_tiny_llava_next,
    write_tiny_qwen2_5_vl,
    write_tiny_qwen3_vl,
)

WRITERS = {
    "qwen2_5_vl": write_tiny_qwen2_5_vl,
    "qwen3_vl": write_tiny_qwen3_vl,
    "internvl": write_tiny_internvl,
    "llava_next": write_tiny_llava_next,
}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny model with a random head: every token has a probability of its own."""
    folders: dict[str, Path] = {}

    def folder_of(family: str) -> Path:
        if family not in folders:
            folders[family] = tmp_path_factory.mktemp(family)
            WRITERS[family](folders[family])
            talkative(folders[family])
        return folders[family]

    return folder_of


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
