"""Finds and reads picture files that somebody names, or says in one line why it cannot."""

from __future__ import annotations

import os
import re
from pathlib import Path

from qreal_tasks.files.parquet_limits import LONGEST_PICTURE as MOST_PICTURE_BYTES
from qreal_tasks.files.regular import NotAFileError, TooLargeError, read_bytes
from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.text.one_line import one_line

NO_NAME = "the row names no picture"
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_DRIVE = re.compile(r"(^|/)[a-z]:[\\/]", re.IGNORECASE)
_ENCODED = re.compile(r"\s*(iVBORw0K|/9j/|UklGR|R0lGOD)[A-Za-z0-9+/\s]{200,}+=*+\s*+")
"""PNG, JPEG, WEBP or GIF in base64; no part gives back what it took, which would be quadratic."""
_MOST = 300
"""Characters of a path in a message."""


def find_name_problem(held: object) -> str | None:
    """Why a cell cannot name a file, or None."""
    if held is None or held != held or (isinstance(held, str) and not held.strip()):
        return NO_NAME
    if not isinstance(held, str):
        return f"no path: the cell holds {one_line(str(held), 60)}, expected text; name one file in it"
    if held.lstrip().lower().startswith("data:") or _ENCODED.fullmatch(held):
        return "no path: the cell holds the picture itself (as text); save it as a file and name that"
    if _ADDRESS.match(held):
        address = one_line(hide_secrets(held), _MOST)
        return f"an address: {address}; addresses are not fetched: download first, then name the file"
    return None


def hide_secrets(held: str) -> str:
    """An address without its user, password and query, which sign it; any other text as it is.

    >>> hide_secrets("https://ann:pw@bucket.example/1.png?Signature=abc")
    'https://bucket.example/1.png'
    """
    if not _ADDRESS.match(held):
        return held
    return re.sub(r"://[^/]*@", "://", re.split(r"[?#]", held, maxsplit=1)[0])


def list_spellings(held: str) -> list[str]:
    """Spellings of a path: as it stands, without blanks around it, and with the slashes of Windows turned."""
    return list(dict.fromkeys((held, held.strip(), held.strip().replace("\\", "/"))))


def locate_file(held: str, folder: Path) -> tuple[bytes, str]:
    """Find the file that a cell names, beside the table; its path, and why there is none or ``""``."""
    names = [_encode_path(name) for name in list_spellings(held)]
    if len(names) == 1:
        return names[0], ""
    paths = [os.path.join(os.fsencode(folder), name) for name in names]
    for name, path in zip(names, paths, strict=True):
        if os.path.exists(path):
            return name, ""
    return b"", say_missing(" and ".join(map(_show_path, paths)))


def say_missing(looked_for: str) -> str:
    """The message for a file that is not there."""
    advice = "; the path is of a Windows drive: put the pictures beside the table and name them from there"
    return f"no such file: looked for {looked_for}{advice if _DRIVE.search(looked_for) else ''}"


def read_file(path: bytes, most: int = MOST_PICTURE_BYTES) -> bytes | IntakeError:
    """Read the bytes of a file, at most so many; or why they cannot be had."""
    try:
        return read_bytes(path, most)
    except NotAFileError as error:
        return IntakeError(f"the file {error.strerror}: {_show_path(path)}")
    except TooLargeError as error:
        return IntakeError(f"the file {error}: {_show_path(path)}")
    except FileNotFoundError:
        return IntakeError(say_missing(_show_path(path)))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return IntakeError(f"the file cannot be read: {reason}: {_show_path(path)}")


def stamp_file(path: bytes) -> str:
    """Size and time of a file: another stamp, perhaps another content. Empty where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def require_content(path: bytes, most: int) -> bytes:
    """Read the bytes of a file, at most so many.

    Raises:
        IntakeError: they cannot be had.
    """
    found = read_file(path, most)
    if isinstance(found, IntakeError):
        raise found
    return found


def decode_path(path: bytes) -> str:
    """A path as text: bytes that are no UTF-8 are shown as escapes, and the file is still found by its bytes."""
    return path.decode("utf-8", "backslashreplace")


def _encode_path(path: str) -> bytes:
    """A path as the file system spells it; a path that it cannot spell is the name of no file."""
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        return path.encode(errors="surrogatepass")


def _show_path(path: bytes) -> str:
    return one_line(decode_path(path), _MOST)
