"""Addresses of servers and paths of models, as far as they may be printed, stored and published."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from qreal_tasks.text.redaction import find_private, redact


def is_plain_address(url: str) -> bool:
    """Whether it is http(s)://host[:port]/path and nothing else: a user, password, query or fragment may hold a key.

    >>> [is_plain_address(url) for url in ("http://localhost:8000/v1", "http://:secret@host/v1", "http://host:port/v1")]
    [True, False, False]
    """
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:  # half an IPv6 address, or a port that is no number
        return False
    holds_more = "@" in url or parts.query or parts.fragment  # a password with a slash ends the host for who reads it
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port and not holds_more


def is_public_address(url: str) -> bool:
    """Whether it is the address of a service that anybody may know: https, a name of a public domain, and no port.

    >>> is_public_address("https://openrouter.ai/api/v1"), is_public_address("http://10.0.0.7:8000/v1")
    (True, False)
    """
    if not is_plain_address(url):
        return False
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_named = parts.scheme == "https" and ":" not in parts.netloc
    return is_named and "." in host and not re.fullmatch(r"[\d.]+", host) and find_private(host) is None


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


def shown(value: str) -> str:
    """A hub id or plain value as it is; of a path its last name, since where it lay says nothing to others.

    >>> shown("org/name"), shown("/data/mine/model"), shown("./runs/adapter/"), shown("bfloat16")
    ('org/name', 'model', 'adapter', 'bfloat16')
    """
    return last_name(value) if is_path(value) or _is_here(value) else value


def shown_arguments(text: str) -> str:
    """Arguments of a backend, ``name=value,name=value``, without paths, addresses and keys.

    >>> shown_arguments("pretrained=/data/me/model,base_url=http://10.0.0.7:8000/v1")
    'pretrained=model,base_url=<address>'
    """
    pairs = (part.partition("=") for part in text.split(","))
    return ",".join(f"{name}{sign}{_shown_value(value)}" if sign else redact(name) for name, sign, value in pairs)


def _shown_value(value: str) -> str:
    return redact(value if "://" in value else shown(value))


def _is_here(value: str) -> bool:
    try:
        return Path(value).exists()
    except (OSError, ValueError):  # too long for a file's name, or no name at all
        return False
