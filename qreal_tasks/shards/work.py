"""What is computed shard by shard: the form that every executor takes, wherever it computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class ShardWork(Protocol):
    """Work over shards, as it is handed to whoever computes one; it travels to other processes and machines."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def modules(self) -> Sequence[str]:
        """What it imports, for processes that are forked from one that has; what is not installed is passed over."""

    def compute(self, shard: int) -> None:
        """Compute and write one shard."""


def compute_shard(work: ShardWork, shard: int) -> int:
    """Compute and write a shard; returns its number."""
    work.compute(shard)
    return shard
