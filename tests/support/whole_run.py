"""A whole run in a process of its own, for tests that kill it."""

from __future__ import annotations

from pathlib import Path

from annotation.config import Config
from annotation.execution.driver import Options, Watcher, Where, init, run_stages


def go(images: str, run: str, config: Config) -> None:
    """From pictures to records, going on with whatever is there."""
    made = init(images, Path(run), config, Where(), Watcher())
    run_stages(made, Options(), Watcher())


PRELOADED = [
    "whole_run",
    "torch",
    "transformers",
    "torchvision",
    "annotation.detection.detector",
    "annotation.quality.q_eval",
]
"""Imported once, so that a run that is started and killed ten times does not spend its time on imports."""
