"""What the system refuses, in one line: a full disk, no permission, too many open files.

Libraries report it as many types; ``explain_refusal`` finds it in any of them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from itertools import chain

_ROOM = "free some space there, or name another folder"
_ACCESS = "change its permissions, or name another place"
_WORDS = {
    errno.ENOSPC: ("disk full", "while writing", _ROOM),
    errno.EDQUOT: ("quota used up", "while writing", _ROOM),
    errno.EFBIG: ("file too large", "while writing", "raise the limit (ulimit -f), or name another disk"),
    errno.EROFS: ("read-only disk", "at", "name another place"),
    errno.EACCES: ("no permission", "for", _ACCESS),
    errno.EPERM: ("no permission", "for", _ACCESS),
    errno.EMFILE: ("too many open files", "at", "raise the limit (ulimit -n)"),
    errno.ENFILE: ("too many open files", "at", "end other programs, or raise the limit of the system"),
    errno.EIO: ("disk fails", "at", "it may be full or broken: free some space there, or name another folder"),
}
"""By number: what it is, what stands before the place, and what to do."""
_TEXTS = {
    **{os.strerror(number): number for number in _WORDS},
    "database or disk is full": errno.ENOSPC,  # SQLite
    "readonly database": errno.EACCES,  # SQLite
    "disk I/O error": errno.EIO,  # SQLite
    "Not enough disk space": errno.ENOSPC,  # datasets
    "PytorchStreamWriter failed": errno.EIO,  # torch
    "inline_container": errno.EIO,  # torch, of a file that was cut
}
"""By what libraries say that keep no number."""
_OURS = ("qreal_tasks", "annotation", "training")


def explain_refusal(error: BaseException, path: object = None) -> str | None:
    """What the system refused, where it lies behind ``error``: what, where, the system's own words, and what to do.

    Args:
        path: what was written, where the error does not say it.

    >>> explain_refusal(OSError(errno.ENOSPC, "No space left on device", "runs/a.json"))
    'disk full while writing runs/a.json: No space left on device; free some space there, or name another folder'
    >>> explain_refusal(RuntimeError("Error while serializing: I/O error: Permission denied (os error 13)"), "out")
    'no permission for out: Permission denied; change its permissions, or name another place'
    >>> explain_refusal(ValueError("no such judge"))
    """
    found = [*_chain(error)]
    numbered = ((one, one.errno) for one in found if isinstance(one, OSError) and one.errno in _WORDS)
    worded = ((one, number) for one in found if (number := find_refusal(one)) is not None)
    one, number = next(chain(numbered, worded), (None, None))
    if number is None:
        return None
    what, before, advice = _WORDS[number]
    own, said = os.strerror(number), getattr(one, "strerror", None) or ""
    where = getattr(one, "filename", None) or path
    head = what if where is None else f"{what} {before} {where}"
    return f"{head}: {said if said.startswith(own) else own}; {advice}"


def find_refusal(error: BaseException) -> int | None:
    """The number of the system's refusal that the text of a library's error speaks of; None where it speaks of none."""
    if type(error).__module__.partition(".")[0] in _OURS:
        return None
    said = str(error)
    return next((number for text, number in _TEXTS.items() if text in said), None)


def describe_os_error(error: OSError) -> str:
    """An error of the system without its number; one of ours, which has none, as it says itself.

    >>> describe_os_error(OSError(errno.ENOENT, "No such file or directory", "runs/a.json"))
    'runs/a.json: No such file or directory'
    """
    if error.errno is None:
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    return explain_refusal(error) or where + describe_error(error)


def describe_error(error: Exception) -> str:
    """What an error says; one of the system without its number and the file, which a message around it names.

    >>> describe_error(OSError(errno.ENOENT, "No such file or directory", "runs/a.json"))
    'No such file or directory'
    """
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__
