"""A server on the loopback interface that speaks as much of Label Studio's API as pulling and pushing use.

    with LabellingServer([task, …]) as server:
        account = AnnotatorAccount("anna", server.url, server.token, project_id=1)

It sends whatever tasks it is given, also such as no Label Studio would.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

ACCOUNT = 7


class LabellingServer:
    """One project of one account, served in a thread of its own until the block is left."""

    def __init__(self, tasks: list[Any], token: str = "token") -> None:
        self.tasks, self.token = tasks, token
        self.asked: list[str] = []
        """Paths, in order."""
        self.instead: Callable[[str], tuple[int, object] | None] = lambda path: None
        """Status and body to answer a path with, in place of what is served."""
        self.time = time.time
        """Its clock, as its answers say it."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, address: str, result: Any) -> tuple[int, object]:
        path, query = urlsplit(address).path, parse_qs(urlsplit(address).query)
        self.asked.append(path)
        instead = self.instead(path)
        if instead is not None:
            return instead
        if path == "/api/current-user/whoami":
            return 200, {"id": ACCOUNT, "email": "anna@qreal.local"}
        if path == "/api/tasks":
            return self._page(int(query["page"][0]), int(query["page_size"][0]), query.get("query"))
        if method == "POST" and path.endswith("/import"):
            self.tasks += [{"id": len(self.tasks) + n, "annotations": [], **task} for n, task in enumerate(result)]
            return 201, {"task_count": len(result)}
        return 200, {"id": 1, "task_number": len(self.tasks), "num_tasks_with_annotations": self._answered()}

    def _answered(self) -> int:
        of_tasks = (task.get("annotations") for task in self.tasks if isinstance(task, dict))
        lists = (some for some in of_tasks if isinstance(some, list))
        return sum(any(isinstance(one, dict) and not one.get("was_cancelled") for one in some) for some in lists)

    def _page(self, page: int, size: int, query: list[str] | None) -> tuple[int, object]:
        found = self.tasks
        if query is not None:
            (item,) = json.loads(query[0])["filters"]["items"]
            found = [one for one in found if not isinstance(one, dict) or str(one.get("updated_at")) > item["value"]]
        some = found[(page - 1) * size : page * size]
        return (200, {"tasks": some, "total": len(found)}) if some or page == 1 else (404, {})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _reply(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Authorization") == f"Token {outer.token}":
                    status, body = outer.answer(self.command, self.path, json.loads(sent or b"null"))
                else:
                    status, body = 401, {}
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _reply  # noqa: N815

            def date_time_string(self, timestamp: float | None = None) -> str:
                return formatdate(outer.time() if timestamp is None else timestamp, usegmt=True)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
