"""Computes shards in this process, or in several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from qreal_tasks.shards.errors import ShardError
from qreal_tasks.shards.work import ShardWork, compute_shard

_DEATHS = 3
"""Pools that may die one after the other without finishing a shard between them."""


def run_local(work: ShardWork, shards: Sequence[int], workers: int) -> Iterator[int]:
    """Yield the number of each shard when it is written.

    One worker is this process, which keeps one model loaded. A process that is killed takes its shard with it; the
    shard is done again.

    Raises:
        ShardError: processes keep dying.
    """
    if workers == 1 or len(shards) == 1:
        for shard in shards:
            yield compute_shard(work, shard)
        return
    left, deaths = list(shards), 0
    while left:
        try:
            for shard in _in_pool(work, left, workers):
                left.remove(shard)
                deaths = 0
                yield shard
        except BrokenProcessPool as error:
            deaths += 1
            if deaths == _DEATHS:
                raise ShardError(
                    f"{work.name}: the processes were killed {deaths} times in a row, the last time at one of shards "
                    f"{left[: 2 * workers]}. Often memory is short: take fewer --workers or a smaller batch_size"
                ) from error


def _in_pool(work: ShardWork, shards: Sequence[int], workers: int) -> Iterator[int]:
    # Forking this process, with a model's threads or an event loop in it, may lock up. The server that is forked in its
    # place imports what the work needs once, for the processes of all stages and for those that follow killed ones.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(work.modules))
    pool = ProcessPoolExecutor(min(workers, len(shards)), mp_context=context, initializer=_end_with_parent)
    try:
        futures = [pool.submit(compute_shard, work, shard) for shard in shards]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """End this process when the program that hands out the shards is killed: it would wait for work for ever, with a
    model in the memory that the next start needs."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()
