"""Addresses of servers and paths of models, as far as they may be printed and stored."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def is_plain_address(url: str) -> bool:
    """Whether it is http(s)://host[:port]/path and nothing else: a user, password, query or fragment may hold a key.

    >>> is_plain_address("http://localhost:8000/v1"), is_plain_address("http://:secret@host/v1")
    (True, False)
    """
    parts = urlsplit(url)
    holds_more = "@" in parts.netloc or parts.query or parts.fragment
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not holds_more


def is_path(value: str) -> bool:
    """Whether a value is written like a path: a hub id has one slash at most.

    >>> is_path("./runs/mine"), is_path("org/name")
    (True, False)
    """
    return value.startswith(("/", ".", "~")) or value.count("/") > 1 or "\\" in value


def last_name(path: str) -> str:
    """The last part of a path.

    >>> last_name("/data/mine/model/")
    'model'
    """
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
