"""Requests to an OpenAI-compatible server, and what can come of one.

aiohttp and not the openai client: that one spends 1.5 to 5 ms of processor time on a request where this spends a third
of a millisecond, which with short answers and many requests at a time is most of the run.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from qreal_tasks.llm.errors.messages import MalformedAnswer, StatusError, error_of, redirected, short
from qreal_tasks.text.json_text import DeepJsonError, load_json
from qreal_tasks.text.redaction import own_keys, redact_keys, spellings

MAX_ANSWER_BYTES = 8 * 2**20
"""Size of one answer after decompressing, or what as many tokens as were allowed take, if that is more."""
_BYTES_A_TOKEN = 150
"""Size of one token with its log-probability and its bytes as numbers."""
_MAX_ERROR_BYTES = 2**16
_CHUNK_BYTES = 2**16
_ESCAPED = re.compile(rb"\\u00|\\/")


class ChatServer:
    """Open connections to one server, to be used in an ``async with`` block of one event loop.

    Every text that the server sends passes through here, and the user's keys are taken out of it: answers are stored,
    errors are printed. Redirects are not followed: the pictures and the key would go along to another address.
    """

    def __init__(self, base_url: str, api_key: str, timeout_s: float, connections: int) -> None:
        self._base_url = base_url.rstrip("/")
        self._keys = own_keys(api_key)
        self._spelled = [spelled.encode(errors="surrogateescape") for key in self._keys for spelled in spellings(key)]
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            headers={
                "Authorization": f"Bearer {api_key}",
                "Content-Type": "application/json",
                "Accept-Encoding": "gzip",
            },
            auto_decompress=False,  # which would decompress without a limit
        )
        self._proxy = _proxy_of(base_url)

    async def ask(self, body: Mapping[str, Any], most_s: float | None = None) -> object:
        """The JSON value that the server answers a chat request with.

        Args:
            most_s: seconds that this request may take, where that is less than any other may.

        Raises:
            as ``post``.
        """
        return await self.post(f"{self._base_url}/chat/completions", body, most_s)

    async def post(self, url: str, body: Mapping[str, Any], most_s: float | None = None) -> object:
        """The JSON value that an address of the server answers with. A POST is sent once, never repeated here.

        Raises:
            StatusError: the status is no 200.
            MalformedAnswer: the answer is no JSON, longer than ``most_bytes``, or nested too deep.
            TimeoutError, aiohttp.ClientError: no answer came.
        """
        timeout = aiohttp.ClientTimeout(total=min(self._timeout_s, most_s or self._timeout_s))
        asked = self._session.post(
            url, data=json.dumps(body).encode(), proxy=self._proxy, timeout=timeout, allow_redirects=False
        )
        try:
            async with asked as answer:
                if answer.status != 200:
                    raise await self._error(answer)
                return self._value(await _read(answer, most_bytes(body)))
        except aiohttp.ClientError as error:
            message = str(error)  # it quotes what could not be read as HTTP
            if (clean := redact_keys(message, *self._keys)) != message:
                raise aiohttp.ClientPayloadError(clean) from None
            raise

    async def _error(self, answer: aiohttp.ClientResponse) -> StatusError:
        try:
            raw = await _read(answer, _MAX_ERROR_BYTES, cut=True)
        except MalformedAnswer as error:
            raw = str(error).encode()
        try:
            body = self._value(raw)
        except MalformedAnswer:
            body = redact_keys(raw.decode(errors="replace"), *self._keys)
        if 300 <= answer.status < 400:
            body = redirected(redact_keys(answer.headers.get("Location", ""), *self._keys))
        return error_of(answer.status, body, answer.headers)

    def _value(self, raw: bytes) -> object:
        try:
            found = load_json(raw)
        except DeepJsonError as error:
            raise MalformedAnswer(str(error)) from error
        except ValueError as error:
            begin = short(redact_keys(raw[:1000].decode(errors="replace"), *self._keys))
            raise MalformedAnswer(f"{begin!r} is no JSON") from error
        # Looking through the bytes is enough where no letter of the key can be escaped.
        may_repeat = any(spelled in raw for spelled in self._spelled) or _ESCAPED.search(raw) is not None
        return redact_keys(found, *self._keys) if may_repeat else found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()


def most_bytes(body: Mapping[str, Any]) -> int:
    """How long the answer to a request may be: a model that reasons lists 20 log-probabilities a token for all it
    thought.

    >>> most_bytes({"max_tokens": 16_384, "top_logprobs": 20}) // 2**20
    49
    """
    tokens = body.get("max_tokens") or body.get("max_completion_tokens") or 0
    return max(MAX_ANSWER_BYTES, tokens * (1 + (body.get("top_logprobs") or 0)) * _BYTES_A_TOKEN)


async def _read(answer: aiohttp.ClientResponse, most: int, cut: bool = False) -> bytes:
    """The body, decompressed as it comes, so that no more than ``most`` bytes of it are ever in memory.

    Args:
        cut: keep the beginning of a longer one.

    Raises:
        MalformedAnswer: it is longer, or compressed in a way that was not asked for.
    """
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise MalformedAnswer(f"the answer is compressed as {short(encoding)}, expected gzip")
    unpacking = None if encoding in ("identity", "") else zlib.decompressobj(zlib.MAX_WBITS | 32)
    found = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        try:
            found += chunk if unpacking is None else unpacking.decompress(chunk, most - len(found) + 1)
        except zlib.error as error:
            raise MalformedAnswer(f"the answer cannot be decompressed: {error}") from None
        if len(found) > most:
            if cut:
                return bytes(found[:most])
            raise MalformedAnswer(f"the answer is longer than {most:,} bytes")
    return bytes(found)


def at_most(chunks: Iterable[bytes], most: int) -> bytes:
    """The bytes of an answer, decompressed, no more of which is in memory than may be.

    Raises:
        MalformedAnswer: it is longer than ``most``.
    """
    found = bytearray()
    for chunk in chunks:
        found += chunk
        if len(found) > most:
            raise MalformedAnswer(f"the answer is longer than {most:,} bytes")
    return bytes(found)


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names for ``url``; asked once, because aiohttp's own look-up reads files in a
    thread before every request."""
    parts = urlsplit(url)
    if parts.hostname is None or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
