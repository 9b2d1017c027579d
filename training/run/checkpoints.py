"""The checkpoints of a run: which are whole, which is the best, and which are removed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from qreal_tasks.files.regular import read_text

COMPLETE = "COMPLETE"
"""File that says that every other file of its checkpoint was written."""


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step is."""
    return folder / f"checkpoint-{step}"


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Read what the trainer noted in a checkpoint: steps, metrics, callbacks."""
    state: dict[str, Any] = json.loads(read_text(checkpoint / "trainer_state.json"))
    return state


def is_finished(checkpoint: Path) -> bool:
    """Whether training ended with this checkpoint: all steps were made, or it was stopped early."""
    state = read_state(checkpoint)
    control = state.get("stateful_callbacks", {}).get("TrainerControl", {}).get("args", {})
    return bool(state["global_step"] >= state["max_steps"] or control.get("should_training_stop"))


def find_newest_checkpoint(folder: Path) -> Path | None:
    """Find the last checkpoint that is whole; one that was being written when the run died is passed over."""
    return next(iter(list_checkpoints(folder)), None)


def find_best_checkpoint(folder: Path) -> Path:
    """Find the checkpoint with the best metric, or the newest one where none was measured or defined."""
    newest = list_checkpoints(folder)[0]
    best = folder / Path(read_state(newest)["best_model_checkpoint"] or "none").name  # the run may have been moved
    return best if (best / COMPLETE).is_file() else newest


def remove_old_checkpoints(folder: Path, keep: int, best: str | None) -> None:
    """Remove all whole checkpoints but the newest ``keep`` and the best."""
    for path in list_checkpoints(folder)[keep:]:
        if path.name != Path(best or "none").name:
            (path / COMPLETE).unlink()  # first: what a kill leaves of it is not taken for whole
            shutil.rmtree(path)


def remove_incomplete_checkpoints(folder: Path) -> list[str]:
    """Remove what a run that died left of checkpoints, so that it is not counted among the newest; return the names."""
    left = sorted(path for path in folder.glob("checkpoint-*") if not (path / COMPLETE).is_file())
    for path in left:
        shutil.rmtree(path)
    return [path.name for path in left]


def list_checkpoints(folder: Path) -> list[Path]:
    """List whole checkpoints, the newest first."""
    whole = (path.parent for path in folder.glob(f"checkpoint-*/{COMPLETE}"))
    return sorted(whole, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
