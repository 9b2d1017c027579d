"""Which checkpoints stay, and that a kill leaves none that is taken for whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusing import at_every_moment

from training.run.checkpoints import (
    COMPLETE,
    checkpoint_path,
    find_newest_checkpoint,
    remove_incomplete_checkpoints,
    remove_old_checkpoints,
)

pytestmark = pytest.mark.slow


def test_the_newest_checkpoints_stay_beside_the_best(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8, 10):
        checkpoint_path(tmp_path, step).mkdir()
        if step != 10:  # being written
            (checkpoint_path(tmp_path, step) / COMPLETE).write_text("")
    remove_old_checkpoints(tmp_path, 2, best="elsewhere/checkpoint-2")
    left = sorted(int(path.name.rpartition("-")[2]) for path in tmp_path.iterdir())
    assert left == [2, 6, 8, 10]


def test_a_kill_while_checkpoints_are_removed_leaves_none_that_is_taken_for_whole(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        checkpoint_path(tmp_path, step).mkdir()
        for name in ("adapter_model.safetensors", "trainer_state.json", COMPLETE):
            (checkpoint_path(tmp_path, step) / name).write_text("x")
    seen = set()

    def look() -> None:
        for whole in tmp_path.glob(f"checkpoint-*/{COMPLETE}"):
            assert len(list(whole.parent.iterdir())) == 3, whole
        seen.add(sum(1 for _ in tmp_path.rglob("*")))
        assert find_newest_checkpoint(tmp_path) == checkpoint_path(tmp_path, 6)

    with at_every_moment(look):
        remove_old_checkpoints(tmp_path, 1, best=None)
    assert len(seen) > 4
    (checkpoint_path(tmp_path, 8)).mkdir()
    assert remove_incomplete_checkpoints(tmp_path) == ["checkpoint-8"]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-6"]
