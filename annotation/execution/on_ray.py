"""As Ray tasks, on this machine or on a cluster that shares the run's folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence

from annotation.errors import AnnotationError
from annotation.execution.work import do

_RETRIES = 3
"""Of a shard whose worker died."""
_AHEAD = 4
"""Tasks handed to Ray for each worker: enough that none waits, few enough for runs of a million shards."""


def run_on_ray(
    run_path: str, stage: str, shards: Sequence[int], workers: int, gpus_each: float, address: str | None
) -> Iterator[int]:
    """Yield the number of each shard when it is written. Workers keep their model from shard to shard.

    Args:
        workers: tasks at a time; on this machine Ray is started with so many processors.
        gpus_each: of a task.
        address: of a cluster ("auto" finds the one this machine is in); None starts Ray here.

    Raises:
        AnnotationError: Ray is not installed or not there, or a shard killed its worker again and again.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError as error:
        raise AnnotationError(f"--executor ray needs Ray ({error}); install qreal-bench[annotate]") from error
    started = not ray.is_initialized()
    if started:
        here = {"num_cpus": workers, "include_dashboard": False} if address is None else {"address": address}
        try:
            ray.init(log_to_driver=False, logging_level=logging.WARNING, **here)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise AnnotationError(f"no Ray at {address or 'this machine'}: {error}") from error
    task = ray.remote(do).options(num_cpus=1, num_gpus=gpus_each, max_retries=_RETRIES)
    waiting, running = iter(shards), {}
    try:
        while True:
            for shard in waiting:
                running[task.remote(run_path, stage, shard)] = shard
                if len(running) >= _AHEAD * workers:
                    break
            if not running:
                return
            done, _ = ray.wait(list(running), num_returns=1)
            shard = running.pop(done[0])
            try:
                yield ray.get(done[0])
            except RayTaskError as error:
                raise error.cause from error  # what the stage itself raised
            except RayError as error:
                raise AnnotationError(f"{stage}, shard {shard}: the Ray worker was lost ({error})") from error
    finally:
        for left in running:
            ray.cancel(left)
        if started:
            ray.shutdown()
