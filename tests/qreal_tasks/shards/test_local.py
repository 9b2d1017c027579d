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

_PROGRAM = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path

@dataclass(frozen=True)
class Sleeping:
    out: str
    name, modules = "sleeping", ()

    def compute(self, shard):
        Path(self.out, str(os.getpid())).touch()
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
        _wait_until(lambda: not any(_is_there(int(pid)) for pid in os.listdir(out)))
    finally:
        if program.poll() is None:
            program.kill()
        for pid in filter(_is_there, map(int, os.listdir(out))):
            os.kill(pid, signal.SIGKILL)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
