"""Where shards are computed: this process, processes of this machine, or Ray; the same shards and the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

from qreal_tasks.shards.local import run_local
from qreal_tasks.shards.on_ray import run_on_ray, start_ray
from qreal_tasks.shards.work import ShardWork

Executor = Literal["local", "ray"]


@dataclass(frozen=True)
class ExecutorOptions:
    """Where shards are computed, and by how many at a time."""

    executor: Executor = "local"
    workers: int = 1
    gpus_each: float = 0.0
    address: str | None = None

    def started(self) -> AbstractContextManager[None]:
        """A context to be held open over all work."""
        return start_ray(self.workers, self.address) if self.executor == "ray" else nullcontext()

    def over(self, work: ShardWork, shards: Sequence[int]) -> Iterator[int]:
        """Compute the shards and yield their numbers as they are done."""
        if self.executor == "ray":
            return run_on_ray(work, shards, self.workers, self.gpus_each)
        return run_local(work, shards, self.workers)
