"""Where things are kept for a user unless told otherwise; accounts of containers and clusters may have no home."""

from __future__ import annotations

import os
from pathlib import Path

_NO_HOME = (
    "there is no home folder to keep things in: HOME is not set, and this user has none. Set HOME to a folder that can "
    "be written, or name a place with "
)


class NoHomeError(RuntimeError):
    """There is no home folder, and nothing else says where to keep something; the message names what may."""


def user_cache_path(name: str, instead: str) -> Path:
    """``name`` in this project's folder of the user's cache.

    Args:
        instead: option or variable that names a place of its own, for the message.

    Raises:
        NoHomeError: there is no such folder.
    """
    return _caches(f"{instead}, or XDG_CACHE_HOME") / "qreal" / name


def require_hub_cache() -> None:
    """Whether the hub's libraries have a place for what they load: without one they would write below a folder here
    that is called ``~``.

    Raises:
        NoHomeError: they have none.
    """
    if not os.environ.get("HF_HOME"):
        _caches("HF_HOME or XDG_CACHE_HOME")


def _caches(instead: str) -> Path:
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named)
    home = os.path.expanduser("~")
    if home == "~":
        raise NoHomeError(f"{_NO_HOME}{instead}")
    return Path(home) / ".cache"
