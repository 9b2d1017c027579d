"""Shards in processes of this machine, and what is left of these when the program that started them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qreal_tasks.files.locks import hold_lock

_PROGRAM = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path
from qreal_tasks.files.locks import hold_lock

@dataclass(frozen=True)
class Sleeping:
    out: str
    name, modules = "sleeping", ()

    def compute(self, shard):
        with hold_lock(Path(self.out, str(os.getpid()))):
            time.sleep(600)

if __name__ == "__main__":
    from program import Sleeping
    from qreal_tasks.shards.local import run_local
    list(run_local(Sleeping(sys.argv[1]), range(8), 2))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_the_program_that_started_them(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "program.py").write_text(_PROGRAM)
    out = tmp_path / "pids"
    out.mkdir()
    program = subprocess.Popen([sys.executable, tmp_path / "program.py", out], start_new_session=True)
    try:
        _wait_until(lambda: len(os.listdir(out)) == 2)
        program.send_signal(number)
        program.wait(30)
        _wait_until(lambda: not any(map(_is_held, list(out.iterdir()))))
    finally:
        if program.poll() is None:
            program.kill()
        for path in filter(_is_held, list(out.iterdir())):
            os.kill(int(path.name), signal.SIGKILL)


def _is_held(path: Path) -> bool:
    """Whether the process that holds this file is at work still; one that nobody has waited for yet is not."""
    try:
        with hold_lock(path, BlockingIOError()):
            return False
    except BlockingIOError:
        return True


def _wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
