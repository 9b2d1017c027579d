"""What stands before every request: who may ask at all from where, and headers that keep a browser careful."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qreal_tasks.screening.serving.metrics import ServerMetrics

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
PATHS = ("/", "/score", "/healthz", "/metrics")
_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Gate:
    """Refuses what a page of another site may send through somebody's browser, and counts answers.

    Args:
        only_loopback: also refuse requests that call this machine by another name than its loopback ones: a site can
            let its own name point here.
    """

    def __init__(self, app: ASGIApp, *, metrics: ServerMetrics, only_loopback: bool) -> None:
        self._app, self._metrics, self._only_loopback = app, metrics, only_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in PATHS else "other"

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
                self._metrics.count_answer(path, message["status"])
            await send(message)

        reason = self._refusal(Headers(scope=scope))
        if reason is None:
            await self._app(scope, receive, send_counted)
            return
        body = json.dumps({"error": reason}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send_counted({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, headers: Headers) -> str | None:
        host = _name(f"//{headers.get('host', '')}")
        if self._only_loopback and host not in LOOPBACK_HOSTS:
            return "this server answers to 127.0.0.1 and localhost only; serve with --host and a token for others"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != headers.get("host"):
            return "a page of another site may not ask this server"
        return None


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:  # half an IPv6 address
        return None
