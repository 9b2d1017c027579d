"""Models that say one thing, for the tests of the agent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from saying import write_saying


@pytest.fixture(scope="module")
def saying(tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """``saying(family, text)``: the folder of a real model that says ``text`` to everything."""
    folders: dict[tuple[str, str], Path] = {}

    def folder_of(family: str, text: str) -> str:
        if (family, text) not in folders:
            folders[family, text] = write_saying(tmp_path_factory.mktemp("saying"), tiny_model(family), text)
        return str(folders[family, text])

    return folder_of
