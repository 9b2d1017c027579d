"""The ids of the tokens that spell choices, from a server that tells them: vLLM and SGLang at ``/tokenize``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import aiohttp

from qreal_tasks.llm.errors.messages import MalformedAnswer, StatusError
from qreal_tasks.llm.http import ChatServer
from qreal_tasks.text.token_text import list_cases, normalise_token

_ATTEMPTS = 3
"""After so many failures on the way the ids count as not to be had."""


class TokenIds:
    """Asked once for each set of choices, when the first of them is asked for; shared by all event loops."""

    def __init__(self, model: str, base_url: str) -> None:
        self._model = model
        self._url = tokenize_url(base_url)
        self._known: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._failures = 0

    async def of(self, choices: tuple[str, ...], server: ChatServer, alone: asyncio.Lock) -> tuple[int, ...]:
        """The ids of every spelling of every choice; none where the server does not tell them, or not of each choice.

        Args:
            server: open in this event loop.
            alone: of this event loop, so that requests side by side do not all ask.
        """
        if self._url is None or choices in self._known:
            return self._known.get(choices, ())
        async with alone:
            if self._url is not None and choices not in self._known:  # others may have asked while this one waited
                try:
                    self._known[choices] = await self._ask(self._url, choices, server)
                except (TimeoutError, aiohttp.ClientError, ConnectionError):
                    self._failures += 1
                    if self._failures < _ATTEMPTS:
                        return ()
                    self._url = None
            return self._known.get(choices, ())

    async def _ask(self, url: str, choices: Sequence[str], server: ChatServer) -> tuple[int, ...]:
        async def token(written: str, word: str) -> int | None:
            body = {"model": self._model, "prompt": written, "add_special_tokens": False, "return_token_strs": True}
            return _id_of(await server.post(url, body), word)

        found: list[set[int]] = []
        try:
            await token(choices[0], choices[0])  # a server without the address is asked once
            for choice in choices:
                told = await asyncio.gather(*(token(written, choice) for written in _written(choice)))
                found.append({one for one in told if one is not None})
        except StatusError as error:
            if error.status == 429 or error.status >= 500:
                raise ConnectionError(str(error)) from None  # it may pass
            return ()
        except MalformedAnswer:
            return ()
        return tuple(sorted(set().union(*found))) if all(found) else ()


def tokenize_url(base_url: str) -> str | None:
    """Where the server tells tokens, beside ``/v1``; None for OpenAI, which does not, and for other addresses.

    >>> tokenize_url("http://host:8000/v1"), tokenize_url("https://api.openai.com/v1")
    ('http://host:8000/tokenize', None)
    """
    host = urlsplit(base_url).hostname or ""
    if not base_url.endswith("/v1") or host == "openai.com" or host.endswith(".openai.com"):
        return None
    return f"{base_url.removesuffix('/v1')}/tokenize"


def _written(choice: str) -> Iterator[str]:
    """Every spelling alone, behind a space, and behind a line break: there it has no space that some put before it."""
    return (before + spelling for spelling in list_cases(choice) for before in ("", " ", "\n"))


def _id_of(answer: object, word: str) -> int | None:
    """The last token, when it is all of the word."""
    tokens = answer.get("tokens") if isinstance(answer, dict) else None
    if not isinstance(tokens, list) or not tokens or not all(type(one) is int and one >= 0 for one in tokens):
        return None
    texts = answer.get("token_strs") if isinstance(answer, dict) else None
    if isinstance(texts, list) and len(texts) == len(tokens):
        return tokens[-1] if normalise_token(str(texts[-1])) == word.casefold() else None
    return tokens[0] if len(tokens) == 1 else None
