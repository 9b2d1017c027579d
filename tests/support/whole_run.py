"""A whole run in a process of its own, for tests that kill it."""

from __future__ import annotations

from pathlib import Path

from annotation.config import AnnotationConfig
from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from qreal_tasks.shards.executors import ExecutorOptions


def go(images: str, run: str, config: AnnotationConfig) -> None:
    """From pictures to records, going on with whatever is there."""
    made = init_run(images, Path(run), config, ExecutorOptions(), Watcher())
    run_stages(made, RunOptions(), Watcher())


PRELOADED = [
    "whole_run",
    "torch",
    "transformers",
    "torchvision",
    "qreal_tasks.models.detector.grounding_dino",
    "annotation.local_models.q_eval",
]
"""Imported once, so that a run that is started and killed ten times does not spend its time on imports."""
