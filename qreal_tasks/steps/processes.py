"""Programs that write all that they print into logs, none of which is left when this one is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from qreal_tasks.files.regular import open_file
from qreal_tasks.steps.step import StepCommand

_GRACE_S = 20.0
"""For a program that was told to end."""


class RunningPrograms:
    """The programs that run now, on any thread; leaving the block ends them. SIGTERM leaves it too."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_over = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, _stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.end_all()
        signal.signal(signal.SIGTERM, self._before)

    def run(self, command: StepCommand, log: Path, environment: Mapping[str, str], held: int) -> int:
        """Run a program to its end; returns its exit status, or 128 and the number of the signal that ended it.

        Args:
            log: is added to.
            environment: what it gets beside its own variables.
            held: a descriptor that the program keeps open: a lock stays held while it runs, whatever becomes of this
                one.

        Raises:
            OSError: it cannot be started, or the log not be written.
        """
        with log.open("ab") as out:
            out.write(f"$ {command}\n".encode())
            out.flush()
            with self._lock:
                if self._is_over:
                    return 128 + signal.SIGTERM
                program = subprocess.Popen(
                    command.words,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env={**environment, **dict(command.environment)},
                    pass_fds=(held,),
                    start_new_session=True,
                )
                self._running.add(program)
            status = program.wait()
        with self._lock:
            self._running.discard(program)
        return status if status >= 0 else 128 - status

    def end_all(self) -> None:
        """End every program, with what it has started; no other begins."""
        with self._lock:
            self._is_over, running = True, list(self._running)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for program in running:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(program.pid, number)
            for program in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    program.wait(_GRACE_S)
            running = [program for program in running if program.poll() is None]


def read_last_line(log: Path) -> str:
    """The last line of a log that says something; progress bars write over theirs."""
    with open_file(log) as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        lines = file.read().decode(errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _stop(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
