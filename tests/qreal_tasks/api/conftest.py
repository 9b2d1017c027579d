"""Two runs on the embedded set, the second one better."""

from __future__ import annotations

from pathlib import Path

import pytest
from pretend_run import write_pretend_run


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return write_pretend_run(folder / "a"), write_pretend_run(folder / "b", seed=1, skill=2.0)
