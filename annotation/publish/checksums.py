"""Writes and checks SHA256SUMS, which ``sha256sum -c`` also checks."""

from __future__ import annotations

import hashlib
from pathlib import Path

from annotation.errors import AnnotationError
from qreal_tasks.files.regular import open_file, read_text
from qreal_tasks.files.system_errors import describe_error

NAME = "SHA256SUMS"


def write_checksums(folder: Path) -> None:
    """Write the checksums of every file in the folder but itself and ``eval.yaml``, which the hub may not take."""
    lines = [f"{_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in _files(folder)]
    (folder / NAME).write_text("".join(lines), encoding="utf-8", newline="\n")


def check_checksums(folder: Path) -> None:
    """Check that nothing is missing, changed or added.

    Raises:
        AnnotationError: something is; the message names the first.
    """
    try:
        lines = read_text(folder / NAME).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(
            f"{folder / NAME} cannot be read ({describe_error(error)}); `qreal annotate publish` writes such a folder"
        ) from None
    expected = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise AnnotationError(f"{folder}: {name} is missing, but {NAME} lists it; publish anew")
        if name not in expected:
            raise AnnotationError(f"{folder}: {name} is not in {NAME}; take it away, or publish anew")
        if _digest(found[name]) != expected[name]:
            raise AnnotationError(f"{folder}: {name} was changed since it was written; publish anew")


def _files(folder: Path) -> list[Path]:
    without = (folder / NAME, folder / "eval.yaml")
    return sorted(path for path in folder.rglob("*") if path.is_file() and path not in without)


def _digest(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
