"""Files and folders that are whole at every moment: a reader, or a program that is killed, leaves or finds the old one
or the new one.

write_whole(Path("report.html"), text)
with replaced(Path("rows.parquet")) as beside:
    pq.write_table(table, beside)
with new_folder(Path("dataset")) as beside:
    (beside / "README.md").write_text(card)

What is made lies beside its place, as ``.<name>.new``, under one name: two programs that write one file do so one after
the other, and what a killed one left is written over by the next.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qreal_tasks.files.locks import acquire, locked
from qreal_tasks.files.system_errors import find_refusal

_MARK = "made-by-qreal"
"""Tells a folder in which this program makes something from one that a user has."""


def write_whole(path: Path, content: str | bytes, *, private: bool = False, sync: bool = False) -> None:
    """Write a file in one step; arguments and errors as ``replaced``. Text is UTF-8, its line breaks stay as they are.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "said.txt"
    >>> write_whole(path, "a new one")
    >>> path.read_text(), [one.name for one in path.parent.iterdir()]
    ('a new one', ['said.txt'])
    """
    with replaced(path, private=private, sync=sync) as beside:
        beside.write_bytes(content if isinstance(content, bytes) else content.encode())


@contextmanager
def replaced(path: Path, *, private: bool = False, sync: bool = False) -> Iterator[Path]:
    """A file to write to, which takes the place of ``path`` when the block ends well, and is gone when it does not.

    Args:
        path: in a folder that is there.
        private: for nobody but its owner to read. Else an earlier file's permissions stay.
        sync: on the disk before it takes its place, so that a machine that loses power keeps it too.

    Raises:
        OSError: it cannot be written, with ``path`` as its ``filename``; what was at ``path`` is as before.
    """
    beside = beside_of(path)
    with _named(path, beside):
        if path.exists() and not path.is_file():
            raise FileExistsError(f"{path} exists and is not a file; give another place")
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, f"{os.strerror(errno.ENOENT)}; make its folder first", str(path))
        descriptor = acquire(beside, wait=True, mode=0o600 if private else 0o666)
        try:
            os.ftruncate(descriptor, 0)  # of a program that was killed
            with contextlib.suppress(OSError):  # there is none yet, or the disk knows no permissions
                os.fchmod(descriptor, 0o600 | (0 if private else stat.S_IMODE(path.stat().st_mode)))
            yield beside
            if sync:
                os.fsync(descriptor)
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)


@contextmanager
def new_folder(folder: Path, *, instead: bool = False) -> Iterator[Path]:
    """A folder to fill, which takes the place of ``folder`` when the block ends well, and is gone when it does not.

    Args:
        folder: empty or not there.
        instead: it may hold something, which the new one replaces. Between the two there is a moment without one; what
            a kill leaves then is put back by the next program that makes the folder.

    Raises:
        BlockingIOError: another program makes the same folder.
        FileExistsError: it holds something, or is the root of a disk, which nothing can take the place of.
        OSError: it cannot be written, with ``folder`` as its ``filename`` where no other file is named.
    """
    folder = folder.resolve()
    beside = beside_of(folder)
    mark, made, old = beside / _MARK, beside / folder.name, beside / f"{folder.name}.old"
    if folder.is_mount():
        raise FileExistsError(f"{folder} is where a disk begins; give a folder in it")
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; give a folder that is empty or does not exist yet")
    if not instead and folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; give a folder that is empty or does not exist yet")
    if beside.exists() and not mark.is_file() and (not beside.is_dir() or any(beside.iterdir())):
        raise FileExistsError(f"{beside} is in the way and was not made by this program; move it")
    taken = BlockingIOError(f"another program writes {folder}; let it end first")
    with _named(folder, beside), _there_meanwhile(beside), locked(mark, taken):
        _put_back(old, folder)
        try:
            _remove(made)  # of a program that was killed
            made.mkdir()
            yield made
            _put(made, folder, old, instead)
        finally:
            _put_back(old, folder)
            for one in (made, old):
                shutil.rmtree(one, ignore_errors=True)


def beside_of(path: Path) -> Path:
    """Where a file or folder is made before it takes its place.

    >>> beside_of(Path("runs/report.html")).as_posix()
    'runs/.report.html.new'
    """
    return path.with_name(f".{path.name}.new")


def free_name(folder: Path) -> Path:
    """The folder, or a further one beside it where it is there: a date comes twice when a clock is set back.

    >>> import tempfile
    >>> taken = Path(tempfile.mkdtemp())
    >>> free_name(taken / "new").name, free_name(taken).name == f"{taken.name}-2"
    ('new', True)
    """
    names = (folder, *(folder.with_name(f"{folder.name}-{number}") for number in range(2, 1000)))
    return next((one for one in names if not one.exists()), folder)


@contextmanager
def _there_meanwhile(folder: Path) -> Iterator[None]:
    """A folder for the block's own things; it stays where another program has some in it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _put(made: Path, folder: Path, old: Path, instead: bool) -> None:
    if instead:
        _remove(old)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(old)
    elif folder.is_dir():
        folder.rmdir()  # raises where it was filled meanwhile
    made.rename(folder)


def _put_back(old: Path, folder: Path) -> None:
    """After a kill or a refusal between the two renames of ``_put``."""
    if old.exists() and not folder.exists():
        old.rename(folder)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """What the system refuses in the block, which writes ``path``, as an OSError with that name."""
    with _named(path, path):
        yield


@contextmanager
def _named(path: Path, beside: Path) -> Iterator[None]:
    """As ``named``; what is said of ``beside`` is said of ``path``."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            if error.filename in (None, str(beside)):
                error.filename = str(path)
                if error.filename2 is not None:
                    del error.filename2  # of a rename; None would be shown
            raise
        number = find_refusal(error)  # safetensors, torch and shutil have types of their own
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
