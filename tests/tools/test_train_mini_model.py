"""A folder of the small model's making goes on with the options it was begun with, and counts the time of all parts."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import train_mini_model
from train_mini_model import Places, find_other_options

pytestmark = pytest.mark.slow


def test_other_options_than_those_of_the_beginning_are_found(tmp_path: Path) -> None:
    begun: dict[str, object] = {"images": 100, "keys": ["epochs=1"]}
    assert find_other_options(tmp_path, begun) is None
    assert find_other_options(tmp_path, begun) is None, "the same again"
    assert find_other_options(tmp_path, {"images": 200, "keys": ["epochs=1"]}) == "images=100"
    (tmp_path / "options.json").write_text(json.dumps({**begun, "recipe": "epochs: 9"}))
    assert find_other_options(tmp_path, begun) == "another recipe"


def test_a_step_that_was_interrupted_has_the_time_of_all_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter([0.0, 30.0, 100.0, 112.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_mini_model._step(Places(tmp_path), "run", stop)
    train_mini_model._step(Places(tmp_path), "run", lambda: (tmp_path / "run").mkdir())
    assert json.loads((tmp_path / "times.json").read_text()) == {"run": 42}
