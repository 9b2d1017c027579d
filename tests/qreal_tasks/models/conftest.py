"""Tiny models of every family, written once a session."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny model with a random head: every token has a probability of its own."""
    from straightforward import talkative  # loads torch, which tests of servers and stores do without

    from qreal_tasks.models import tiny

    folders: dict[str, Path] = {}

    def folder_of(family: str) -> Path:
        if family not in folders:
            folders[family] = tmp_path_factory.mktemp(family)
            getattr(tiny, f"write_tiny_{family}")(folders[family])
            talkative(folders[family])
        return folders[family]

    return folder_of


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    if (torch := sys.modules.get("torch")) is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
