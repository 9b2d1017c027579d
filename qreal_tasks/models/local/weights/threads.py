"""How many threads a model on the CPU computes with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

SMALL_MODEL = 5_000_000
"""Parameters below which one thread is used. Measured on two cores, pictures of 400 tokens, waiting threads asleep: two
threads are 1.3 times as fast as one with 1.4 M parameters, 1.5 times with 20 M, 1.6 times with 43 M while nothing else
runs (``tests/benchmarks/objectqa_throughput.py --threads 1 2``). With other programs beside them they lost by about 1.8
times with 4 M in an earlier measurement; for the smallest models that counts more."""


def choose_threads(model: Any) -> int | None:
    """One for a small model on the CPU; None, as many as the process computes in, for any other.

    ``OMP_NUM_THREADS`` in the environment is followed. The last digits of a sum depend on the number.
    """
    on_cpu = all(weight.device.type == "cpu" for weight in model.parameters())
    if not on_cpu or "OMP_NUM_THREADS" in os.environ:
        return None
    return 1 if sum(weight.numel() for weight in model.parameters()) < SMALL_MODEL else None


@contextmanager
def compute_in(threads: int | None) -> Iterator[None]:
    """Compute in so many threads, None for as many as ever; what else this process computes keeps its own number."""
    if threads is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
