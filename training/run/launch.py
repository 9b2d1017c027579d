"""Several processes on this machine, each with the same command.

``accelerate launch`` would start them too, but not on CPUs (it wants MPI for several, and no DeepSpeed there), and
reads a file of settings of the user's. What it starts processes with on GPUs is torch's launcher, used here for all.
"""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from training.config import ConfigError


class StoppedError(RuntimeError):
    """A process failed, or all were told to stop; the program ends with ``status``."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def launch(arguments: Sequence[str], processes: int | None = None) -> None:
    """Run ``python -m training`` with these arguments in every process, by default one a GPU, and wait for their end.

    A signal that ends this process is passed on to them, and nothing of them is left. The port they meet at is one that
    is free. They see the packages that are installed, whatever lies in the current folder.

    Raises:
        ConfigError: there are fewer GPUs than processes.
        StoppedError: one of them failed, or a signal ended them.
    """
    gpus = torch.cuda.device_count()
    processes = processes or max(1, gpus)
    if 0 < gpus < processes:
        raise ConfigError(f"--processes is {processes}, and {gpus} GPUs are visible: each process needs its own")
    _prepare_environment(processes)
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # this module says in a line what failed
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="127.0.0.1",
        max_restarts=0,
    )
    try:
        elastic_launch(settings, sys.executable)("-u", "-P", "-m", "training", *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        status = failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
        raise StoppedError(
            f"process {rank} of {processes} ended with status {status}; its messages are above", status
        ) from None
    except SignalException as error:
        raise StoppedError(f"stopped by {error.sigval.name}", 128 + error.sigval) from None


def _prepare_environment(processes: int) -> None:
    """Set the environment that the processes inherit."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    # DeepSpeed builds an operator for CPUs with the ninja that is installed beside this interpreter.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    root = Path(__file__).parents[2]
    if root.name != "site-packages":  # a checkout that was found by way of the current folder
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
