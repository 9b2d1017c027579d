"""Addresses of servers that may be printed and stored."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_plain_address(url: str) -> bool:
    """Whether it is http(s)://host[:port]/path and nothing else: a user, password, query or fragment may hold a key.

    >>> is_plain_address("http://localhost:8000/v1"), is_plain_address("http://:secret@host/v1")
    (True, False)
    """
    parts = urlsplit(url)
    holds_more = "@" in parts.netloc or parts.query or parts.fragment
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not holds_more
