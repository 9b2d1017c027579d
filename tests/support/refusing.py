"""A system that refuses, and a look at what lies on the disk at every moment of a program's writing.

A program that is killed leaves what lay there at that moment, so a look at every moment stands for a kill at each.
"""

from __future__ import annotations

import errno
import io
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

_EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir")
_looking: list[Callable[[], None]] = []


def _hook(event: str, _: object) -> None:
    if _looking and event in _EVENTS:
        look = _looking.pop()  # what it opens itself is no moment
        try:
            look()
        finally:
            _looking.append(look)


sys.addaudithook(_hook)


@contextmanager
def at_every_moment(look: Callable[[], None]) -> Iterator[None]:
    """Call ``look`` before every change of the disk in the block, and at its end."""
    _looking.append(look)
    try:
        yield
    finally:
        _looking.remove(look)
    look()


@contextmanager
def no_room() -> Iterator[None]:
    """No file can be written to in the block, whatever writes it: the system refuses files of more than 0 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def no_permission(folder: Path) -> Iterator[None]:
    """Nothing can be made in or below ``folder`` in the block, as root too."""

    def refuse(real: Callable[..., Any]) -> Callable[..., Any]:
        def refused(path: Any, *given: Any, **named: Any) -> Any:
            is_new = isinstance(path, str | os.PathLike) and not os.path.lexists(path)
            if is_new and Path(path).absolute().is_relative_to(folder):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real(path, *given, **named)

        return refused

    with pytest.MonkeyPatch.context() as patched:
        for name in ("open", "mkdir"):
            patched.setattr(f"os.{name}", refuse(getattr(os, name)))
        yield


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below, by its path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def qreal(*words: object) -> tuple[int, str]:
    """Run a command as the ``qreal`` program does; its exit status, and what it said on standard error."""
    from qreal_tasks.cli import main

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.setattr(sys, "argv", ["qreal", *map(str, words)])
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0), err.getvalue()
    return 0, err.getvalue()


def refused(refusing: str, folder: Path, *words: object) -> str:
    """The line with which a command ends when the system refuses what it writes into ``folder``; it must leave there
    what was there before, and nothing beside it but empty folders and files that SQLite and ``datasets`` take up."""
    before = tree(folder)
    with no_room() if refusing == "no room" else no_permission(folder):
        status, output = qreal(*words)
    assert status == 1, output
    assert {name: content for name, content in tree(folder).items() if content} == before
    assert [path for path in folder.rglob("*") if path.name.endswith((".new", ".incomplete"))] == []
    line = output.strip().splitlines()[-1]
    assert "Traceback" not in output
    what = {
        "no room": ("File too large; raise the limit", "Input/output error; it may be full"),  # the second is SQLite's
        "no permission": ("Permission denied; change its permissions",),
    }
    assert any(words in line for words in what[refusing]), output
    return line
