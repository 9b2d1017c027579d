"""Locks between programs: a file that one of them holds, and that the system gives back when the program dies.

with hold_lock(folder / ".lock", BlockingIOError(f"another program writes {folder}; let it end first")):
    write_into(folder)
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems without locks answer. There nobody is kept apart, and everything else works."""


@contextmanager
def hold_lock(path: Path, refusal: Exception | None = None) -> Iterator[int]:
    """Hold the lock file ``path`` while the block lasts; it is made for that, and removed afterwards.

    Yields its descriptor: a child that is started with it (``pass_fds``) goes on holding the lock when this process
    is killed.

    Args:
        path: in a folder that is there.
        refusal: raised where another program holds it; None waits for that program.

    Raises:
        OSError: the file cannot be made.
    """
    try:
        descriptor = acquire(path, wait=refusal is None)
    except BlockingIOError:
        assert refusal is not None
        raise refusal from None
    try:
        yield descriptor
    finally:
        path.unlink(missing_ok=True)  # while it is held: whoever waits for it looks whether it is still the one there
        os.close(descriptor)


def acquire(path: Path, *, wait: bool, mode: int = 0o666) -> int:
    """A descriptor of the file, made where it is missing, that nobody else holds; closing it gives it back.

    Args:
        mode: of a file that is made, before the umask.

    Raises:
        BlockingIOError: somebody else holds it, and ``wait`` is false.
        OSError: as ``hold_lock``.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
        if _is_there(descriptor, path):
            return descriptor
        os.close(descriptor)  # of a file that was renamed or removed meanwhile


def _is_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
