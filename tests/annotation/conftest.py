"""Tiny models, written once for all tests of annotation, and a run that went through all stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from annotating import CHAIN_IMAGES, answer, config_for, write_pictures

from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.run.folder import RunFolder
from qreal_tasks.llm.scripted_server import Asked, ScriptedServer
from qreal_tasks.shards.executors import ExecutorOptions


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``dino`` and ``q_eval``."""
    from tiny_annotators import write_tiny_grounding_dino, write_tiny_q_eval  # its libraries take seconds

    folder = tmp_path_factory.mktemp("models")
    write_tiny_grounding_dino(folder / "dino")
    write_tiny_q_eval(folder / "q_eval")
    return folder


@dataclass(frozen=True)
class Chain:
    """A finished run; not to be changed."""

    run: RunFolder
    images: Path
    models: Path
    asked: list[Asked]


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Chain]:
    """Drawn scenes through every stage: scripted language model, tiny models loaded as real ones are."""
    folder = tmp_path_factory.mktemp("chain")
    images = write_pictures(folder / "images", CHAIN_IMAGES)
    with ScriptedServer(answer) as server:
        run = init_run(str(images), folder / "run", config_for(server.url, models), ExecutorOptions(), Watcher())
        run_stages(run, RunOptions(), Watcher())
        yield Chain(run, images, models, list(server.asked))
