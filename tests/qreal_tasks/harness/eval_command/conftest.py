"""What several tests of ``qreal eval`` share."""

from __future__ import annotations

from pathlib import Path

import pytest

from qreal_tasks.harness.eval_command import run


@pytest.fixture
def no_harness(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have been started."""
    started: list[list[str]] = []

    def start(command: list[str], environment: object, log: Path, quiet: bool, lock: int) -> int:
        started.append(list(command))
        (log.parent / "x_results.json").write_text("{}", encoding="utf-8")
        return 0

    monkeypatch.setattr(run, "_run", start)
    return started
