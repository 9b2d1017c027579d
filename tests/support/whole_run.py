"""A whole run in a process of its own, for tests that kill it: IMAGES RUN CONFIG.yaml."""

from __future__ import annotations

import sys
from pathlib import Path

from annotation.config import AnnotationConfig, load_annotation_config
from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from qreal_tasks.shards.executors import ExecutorOptions


def go(images: str, run: str, config: AnnotationConfig) -> None:
    """From pictures to records, going on with whatever is there."""
    made = init_run(images, Path(run), config, ExecutorOptions(), Watcher())
    run_stages(made, RunOptions(), Watcher())


if __name__ == "__main__":
    go(sys.argv[1], sys.argv[2], load_annotation_config(Path(sys.argv[3])))
