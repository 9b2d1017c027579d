"""Requests and answers of ``hub_server``, and the thread that takes the ones and sends the others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Answer:
    """What is sent back; ``cut`` ends the connection after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    at_storage: bool
    found: Mapping[str, str] = field(default_factory=dict)
    """What the path names, unquoted: ``name``, ``revision``, ``path``."""

    def json(self) -> Any:
        return json.loads(self.body)


def refuse(status: int, message: str, code: str = "", **headers: str) -> Answer:
    """An error as the hub words it."""
    named = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    result = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(
        status, json.dumps({"error": message}).encode(), {"Content-Type": "application/json"} | named | result
    )


def answer_json(content: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


def answer_content(content: bytes, asked: Asked, headers: Mapping[str, str]) -> Answer:
    """A file, or the part of it that was asked for."""
    wanted = _RANGE.fullmatch(asked.headers.get("Range", ""))
    if wanted is None:
        return Answer(200, content, headers)
    start, end = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
    if start >= len(content):
        return Answer(416, b"", {**headers, "Content-Range": f"bytes */{len(content)}"})
    part = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
    return Answer(206, content[start : end + 1], {**headers, **part})


class ServingThreads(ThreadingHTTPServer):
    """A server on a port of its own; what ``answer`` gives is sent as it is."""

    def __init__(self, answer: Callable[[Asked], Answer], at_storage: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.at_storage = answer, at_storage
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that were cut off reset the connection; what a test shall see of it, its client says."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ServingThreads

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.title(): value for name, value in self.headers.items()}
        asked = Asked(self.command, parts.path, parse_qs(parts.query), headers, body, self.server.at_storage)
        answer = self.server.answer(asked)
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut])
        self.close_connection = answer.cut is not None

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass
