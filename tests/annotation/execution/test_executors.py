"""One process, several, and Ray: the same shards and the same bytes, also when workers are killed."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from annotating import CHAIN_IMAGES, all_bytes

from annotation.errors import AnnotationError
from annotation.execution.driver import RunOptions, Watcher, run_stages
from annotation.execution.work import StageWork
from annotation.run.chain import STAGES, is_asked
from annotation.run.folder import RunFolder, lock_run
from qreal_tasks.shards.errors import ShardError
from qreal_tasks.shards.executors import ExecutorOptions
from qreal_tasks.shards.local import run_local

pytestmark = pytest.mark.slow

COMPUTED = tuple(stage for stage in STAGES if stage in ("detection", "quality", "drafts", "imageqa", "objectqa"))


def without_computed(chain: Any, folder: Path) -> RunFolder:
    """The finished run with the shards of its computed stages taken away; its answers are in the record."""
    shutil.copytree(chain.run.path, folder)
    for stage in STAGES:
        if stage != "entities":
            shutil.rmtree(folder / "shards" / stage)
    return RunFolder(folder)


WHERES = {
    "two processes": ExecutorOptions("local", 2),
    "ray, two workers": ExecutorOptions("ray", 2),
}


@pytest.mark.parametrize("where", WHERES)
def test_the_same_bytes_wherever_it_runs(chain: Any, tmp_path: Path, where: str) -> None:
    """A worker is killed in the middle of detection: nothing is lost. What is told counts images and entities."""
    run = without_computed(chain, tmp_path / "run")
    victims: list[int] = []
    told, before, totals = Counter[str](), dict[str, int](), dict[str, int]()

    def begun(stage: str, done: int, total: int) -> None:
        before[stage], totals[stage] = done, total

    def counted(stage: str, count: int, anew: bool) -> None:
        told[stage] += count
        assert anew != is_asked(stage, run.config)  # the record holds every answer

    def kill_one(stage: str, shard: int) -> None:
        if stage == "detection" and not victims:
            worker = busiest_worker()
            victims.append(worker.pid)
            worker.send_signal(signal.SIGKILL)

    run_stages(run, RunOptions(where=WHERES[where]), Watcher(begun, counted, kill_one))
    entities = sum(row["state"] == "done" for n in run.shard_numbers for row in run.read("detection", n))
    assert totals["detection"] == told["detection"] == totals["entities"] == before["entities"] == CHAIN_IMAGES
    assert totals["judgment"] == told["judgment"] == totals["quality"] == told["quality"] == entities
    assert before["judgment"] == before["detection"] == told["entities"] == 0
    assert len(victims) == 1
    assert all_bytes(run) == all_bytes(chain.run)
    assert not is_asked("detection", run.config)


def busiest_worker() -> psutil.Process:
    """Of the processes below this one that compute shards, the one that has computed most."""
    below = psutil.Process().children(recursive=True)
    workers = [one for one in below if is_worker(one)]
    assert workers, [one.name() for one in below]
    return max(workers, key=lambda one: one.cpu_times().user)


def is_worker(process: psutil.Process) -> bool:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return False
    # The server that processes are forked from looks like them; it is no worker and has this program as its parent.
    return line.startswith("ray::") or ("forkserver" in line and process.ppid() != os.getpid())


def test_processes_that_keep_dying_are_told(chain: Any, tmp_path: Path) -> None:
    """A shard that takes too much memory kills every process that takes it up."""
    run = without_computed(chain, tmp_path / "run")
    stop = threading.Event()

    def kill_all() -> None:
        while not stop.is_set():
            for one in psutil.Process().children(recursive=True):
                if is_worker(one) and one.status() != psutil.STATUS_ZOMBIE:
                    os.kill(one.pid, signal.SIGKILL)
            time.sleep(0.05)

    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        with pytest.raises(ShardError, match="detection: the processes were killed 3 times in a row"):
            list(run_local(StageWork.of(run, "detection"), list(run.shard_numbers), 2))
    finally:
        stop.set()
        killer.join()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_stage_raises_comes_through(chain: Any, tmp_path: Path, workers: int) -> None:
    run = without_computed(chain, tmp_path / "run")
    run.shard_path("entities", 1).write_bytes(b"PAR1 damaged")
    with pytest.raises(ShardError, match=r"000001\.parquet cannot be read .* delete it"):
        list(run_local(StageWork.of(run, "detection"), list(run.shard_numbers), workers))


def test_a_worker_with_another_version_is_told(chain: Any) -> None:
    other = replace(StageWork.of(chain.run, "detection"), recipe="of another version")
    with pytest.raises(AnnotationError, match=r"installed version differ between .* Make them the same"):
        list(run_local(other, [0], 1))


def test_a_program_at_a_time(chain: Any) -> None:
    with lock_run(chain.run.path), pytest.raises(AnnotationError, match="another program works on"):
        run_stages(chain.run, RunOptions(), Watcher())
