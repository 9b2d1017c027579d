"""One program after another with all that they print in a log, and none of them left when this one is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from qreal_tasks.steps.step import StepCommand

_GRACE_S = 20.0
"""For a program that was told to end."""


def run_command(command: StepCommand, log: Path, environment: Mapping[str, str], held: int) -> int:
    """Run a program to its end; returns its exit status, 128 and the number of the signal that ended it.

    Args:
        log: is added to.
        environment: what it gets beside its own variables.
        held: a descriptor that the program keeps open: a lock stays held while it runs, whatever becomes of this one.

    Raises:
        OSError: it cannot be started, or the log not be written.
    """
    with log.open("ab") as out, _told_by_exception():
        out.write(f"$ {command}\n".encode())
        out.flush()
        program = subprocess.Popen(
            command.words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**environment, **dict(command.environment)},
            pass_fds=(held,),
            start_new_session=True,
        )
        try:
            status = program.wait()
        except BaseException:
            _end(program)
            raise
    return status if status >= 0 else 128 - status


def read_last_line(log: Path) -> str:
    """The last line of a log that says something; progress bars write over theirs."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        lines = file.read().decode(errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


@contextmanager
def _told_by_exception() -> Iterator[None]:
    """SIGTERM as an exception, so that what runs is ended first."""

    def stop(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread, which no signal reaches
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(program: subprocess.Popen[bytes]) -> None:
    """End a program and what it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(_GRACE_S)
            return
