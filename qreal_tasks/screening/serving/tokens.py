"""The token without which a server on a network answers nobody."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from fastapi import Request

from qreal_tasks.files.regular import read_bytes
from qreal_tasks.screening.reward.client import TOKEN_VARIABLE
from qreal_tasks.screening.serving.limits import RequestRefusedError

_SHORTEST = 16


def read_token(path: Path | None) -> str | None:
    """The token in a file, or in ``TOKEN_VARIABLE``; None where there is neither.

    Raises:
        ValueError: it is too short, or holds what no header can; it is not shown.
        OSError: the file cannot be read.
    """
    if path is None:
        text, where = os.environ.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE
        if not text:
            return None
    else:
        text, where = read_bytes(path.expanduser()).decode("utf-8", errors="replace"), str(path)
    token = text.strip()
    if len(token) < _SHORTEST or not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError(
            f"{where} holds {len(token)} characters, expected one line of at least {_SHORTEST} letters and digits; "
            "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return token


class TokenCheck:
    """Refuses requests that do not bring the token in ``Authorization: Bearer``; without a token, none."""

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else token.encode()

    async def check(self, request: Request) -> None:
        """Let a request pass.

        Raises:
            RequestRefusedError: with the status 401.
        """
        if self._token is None:
            return
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        # Compared in a time that does not depend on where the two differ.
        same = hmac.compare_digest(given.strip().encode(), self._token)
        if kind.lower() != "bearer" or not same:
            found = "a wrong token" if given else "no token"
            raise RequestRefusedError(401, f"{found}, expected the server's in the header Authorization: Bearer TOKEN")
