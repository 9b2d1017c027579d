"""Reading files that a user names or others wrote: only what is a file is read, so that no reader ever waits.

A named pipe gives nothing until somebody writes into it, a device may never end, and a folder can have the name of a
file. Links are followed to what they lead to.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotAFileError(OSError):
    """The path leads to something else; the message says to what."""


class TooLargeError(ValueError):
    """The file is larger than may be; the message says how large it may be."""


def open_file(path: Path | bytes) -> io.BufferedReader:
    """Open a file to read its bytes.

    Raises:
        OSError: it cannot be opened.
        NotAFileError: it is no file.
    """
    _require_file(os.stat(path).st_mode, path)  # a device may do something when it is opened
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # else a pipe waits for who writes into it
    try:
        _require_file(os.fstat(descriptor).st_mode, path)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path | bytes, most: int | None = None) -> bytes:
    """The bytes of a file.

    Args:
        most: how many it may have.

    Raises:
        OSError: as ``open_file``.
        TooLargeError: it has more.
    """
    with open_file(path) as file:
        if most is None:
            return file.read()
        found = file.read(most + 1)
    if len(found) > most:
        raise TooLargeError(f"has more than {most:,} bytes")
    return found


def read_text(path: Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The text of a file, each kind of line break as one line feed.

    Raises:
        OSError: as ``open_file``.
        UnicodeDecodeError: it is not in this encoding.
    """
    with io.TextIOWrapper(open_file(path), encoding=encoding, errors=errors) as file:
        return file.read()


def require_file(path: Path) -> Path:
    """The path itself, for a library that opens it.

    Raises:
        OSError: it is not there.
        NotAFileError: it is no file.
    """
    _require_file(path.stat().st_mode, path)
    return path


def _require_file(mode: int, path: Path | bytes) -> None:
    if stat.S_ISREG(mode):
        return
    found = _KINDS.get(stat.S_IFMT(mode), "of another kind")
    raise NotAFileError(errno.EINVAL, f"is {found}, expected a file", os.fsdecode(path))
