"""One POST to ``/chat/completions`` and what can come of it.

aiohttp and not the openai client: that one spends 1.5 to 5 ms of processor time on a request where this spends a third
of a millisecond, which with short answers and many requests at a time is most of the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp


class MalformedAnswer(ValueError):  # noqa: N818 - named for what came
    """The server said 200 and sent something that is no chat completion."""


@dataclass(eq=False)
class StatusError(Exception):
    """The server answered with an error; fields as OpenAI names them, None where the server leaves them out."""

    status: int
    message: str
    kind: str = ""
    """Code and type in one: servers put the same word in either."""
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status}: {self.message}"


class ChatServer:
    """Keeps the connections to one server open; to be used in an ``async with`` block of one event loop."""

    def __init__(self, base_url: str, api_key: str, timeout_s: float, connections: int) -> None:
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            headers={"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"},
        )
        self._proxy = _proxy_of(base_url)

    async def ask(self, body: Mapping[str, Any]) -> object:
        """The JSON value that the server answers with. A POST is sent once, never repeated here.

        Raises:
            StatusError: the status is no 200.
            MalformedAnswer: the answer is no JSON.
            TimeoutError, aiohttp.ClientError: no answer came.
        """
        async with self._session.post(self._url, data=json.dumps(body).encode(), proxy=self._proxy) as answer:
            raw = await answer.read()
            if answer.status != 200:
                raise _status_error(answer.status, raw, answer.headers)
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise MalformedAnswer(f"{short(raw.decode(errors='replace'))!r} is no JSON") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()


def writable(text: str) -> str:
    """``?`` for halves of surrogate pairs: JSON can spell them, and no file or terminal takes them.

    >>> writable("Yes \\ud83d")
    'Yes ?'
    """
    return text.encode("utf-8", "replace").decode()


def short(text: str) -> str:
    """On one line, 200 characters at most."""
    line = " ".join(writable(text).split())
    return line if len(line) <= 200 else f"{line[:197]}..."


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names for ``url``; asked once, because aiohttp's own look-up reads files in a
    thread before every request."""
    parts = urlsplit(url)
    if parts.hostname is None or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


def _status_error(status: int, raw: bytes, headers: Mapping[str, str]) -> StatusError:
    """Read ``{"error": {"message", "type", "code", "param"}}`` as far as the server follows it."""
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        said = None
    said = said.get("error", said) if isinstance(said, dict) else said
    if not isinstance(said, dict):
        return StatusError(status, short(str(said or raw.decode(errors="replace"))) or "no message", headers=headers)
    message = said.get("message") or said.get("detail") or json.dumps(said)
    kind = f"{said.get('code') or ''} {said.get('type') or ''}".strip()
    param = said.get("param")
    return StatusError(status, short(str(message)), kind, None if param is None else str(param), headers)
