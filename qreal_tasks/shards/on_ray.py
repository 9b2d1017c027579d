"""Computes shards as Ray tasks, on this machine or on a cluster that shares the run's folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from qreal_tasks.shards.errors import ShardError
from qreal_tasks.shards.work import ShardWork, compute_shard

_RETRIES = 3
"""How often a shard whose worker died is tried again."""
_AHEAD = 4
"""Tasks handed to Ray for each worker: enough that none waits, few enough for runs of a million shards."""


@contextmanager
def start_ray(workers: int, address: str | None) -> Iterator[None]:
    """Start Ray for as long as the block lasts, so that workers keep what they have imported from one work to the next.

    Raises:
        ShardError: Ray is not installed or not there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ShardError(f"--executor ray needs Ray ({error}); pip install 'qreal-bench[annotate-ray]'") from error
    if ray.is_initialized():
        yield
        return
    here = {"num_cpus": workers, "include_dashboard": False} if address is None else {"address": address}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **here)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ShardError(f"no Ray at {address or 'this machine'}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def run_on_ray(work: ShardWork, shards: Sequence[int], workers: int, gpus_each: float) -> Iterator[int]:
    """Yield the number of each shard when it is written; within a ``start_ray``.

    Args:
        workers: tasks at a time; on this machine Ray is started with so many processors.
        gpus_each: GPUs of each task.

    Raises:
        ShardError: a shard killed its worker again and again.
    """
    import ray
    from ray.exceptions import RayError, RayTaskError

    task = ray.remote(compute_shard).options(num_cpus=1, num_gpus=gpus_each, max_retries=_RETRIES)
    waiting = iter(shards)
    running: dict[Any, int] = {}
    try:
        while True:
            # A for loop would take one more from the iterator than it hands out.
            while len(running) < _AHEAD * workers and (shard := next(waiting, None)) is not None:
                running[task.remote(work, shard)] = shard
            if not running:
                return
            done, _ = ray.wait(list(running), num_returns=1)
            shard = running.pop(done[0])
            try:
                yield ray.get(done[0])
            except RayTaskError as error:
                raise error.cause from error  # what the work itself raised
            except RayError as error:
                raise ShardError(f"{work.name}, shard {shard}: the Ray worker was lost ({error})") from error
    finally:
        for left in running:
            ray.cancel(left)
