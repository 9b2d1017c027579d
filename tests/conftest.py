"""What several test modules share: an offline environment, and a small dataset written through the real library."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", WANDB_MODE="disabled", NO_COLOR="1")

from small_set import Rows, small_rows, write_hub_layout


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's dataset or box space, nor a Pillow that another library told to pass over damage."""
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", False)
    monkeypatch.delenv("QREAL_DATA", raising=False)
    monkeypatch.delenv("QREAL_BOX_SPACE", raising=False)
    monkeypatch.delenv("QREAL_REASONING_MARKS", raising=False)


@pytest.fixture
def small_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write ``small_rows()``, changed by the function given, and return the folder."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")

    def write(change: Callable[[Rows], None] | None = None) -> Path:
        rows = small_rows()
        if change:
            change(rows)
        return write_hub_layout(tmp_path / "dataset", rows)

    return write
