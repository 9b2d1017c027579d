"""How many threads a model on the CPU computes with."""

from __future__ import annotations

import os
from typing import Any

import torch

SMALL_MODEL = 5_000_000
"""Parameters below which one thread is used. Measured on two cores, pictures of 400 tokens, waiting threads asleep: two
threads are 1.3 times as fast as one with 1.4 M parameters, 1.5 times with 20 M, 1.6 times with 43 M while nothing else
runs (``tests/benchmarks/objectqa_throughput.py --threads 1 2``). With other programs beside them they lost by about 1.8
times with 4 M in an earlier measurement; for the smallest models that counts more."""

_ALL = torch.get_num_threads()


def fit_threads(model: Any) -> int:
    """Compute in one thread with a small model on the CPU, else in as many as torch found; return how many.

    ``OMP_NUM_THREADS`` in the environment is left as it is. The last digits of a sum depend on the number.
    """
    on_cpu = all(weight.device.type == "cpu" for weight in model.parameters())
    if on_cpu and "OMP_NUM_THREADS" not in os.environ:
        is_small = sum(weight.numel() for weight in model.parameters()) < SMALL_MODEL
        torch.set_num_threads(1 if is_small else _ALL)
    return torch.get_num_threads()
