"""One small set and one redrawing of the shipped set, drawn once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from qreal_tasks.mini import MINI_IMAGES, MINI_SEED
from qreal_tasks.mini.write import draw_mini


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest set."""
    return draw_mini(tmp_path_factory.mktemp("mini") / "small", 20, seed=7).folder


@pytest.fixture(scope="session")
def redrawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped set drawn again, by two processes."""
    folder = tmp_path_factory.mktemp("mini") / "redrawn"
    return draw_mini(folder, MINI_IMAGES, MINI_SEED, workers=2).folder
