"""What the client makes of answers that Label Studio does not give in a test: other servers, failures, other tokens."""

from __future__ import annotations

import gzip
import json
import math
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from answering import free_ports

from annotation.errors import AnnotationError
from annotation.label_studio.client import LabelStudio

pytestmark = pytest.mark.slow

Answer = Callable[[str, str, str], tuple[int, object]]
"""Method, path and authorisation to status and body."""


@pytest.fixture
def served() -> Iterator[Callable[[Answer], str]]:
    """A server that answers as told; returns its address."""
    servers: list[ThreadingHTTPServer] = []

    def serve(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def _reply(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = answer(self.command, self.path, self.headers.get("Authorization") or "")
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                if content.startswith(b"\x1f\x8b"):
                    self.send_header("Content-Encoding", "gzip")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _reply  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


FAILURES = {
    "wrong token": (401, {"detail": "no"}, "refuses the token of anna"),
    "no right": (403, {"detail": "no"}, "refuses the token of anna"),
    "gone": (404, {"detail": "no"}, "was the project deleted by hand"),
    "failing": (500, b"Traceback", "status 500: Traceback"),
    "another server": (200, b"<html>", "no JSON: is it Label Studio"),
    "a bomb": (200, gzip.compress(b" " * (2**27 + 1)), "answers with more than 134,217,728 bytes"),
    "a bomb with a failure": (500, gzip.compress(b" " * (2**27 + 1)), "answers with more than 134,217,728 bytes"),
    "nested lists": (200, b"[" * 10**6, "answers with JSON that is nested too deep"),
    "nested objects": (200, b'{"a":' * 10**6, "answers with JSON that is nested too deep"),
    "a list that cannot be printed": (200, b"[" * 900 + b"]" * 900, "expected a JSON object|nested too deep"),
    "a number of 5,000 digits": (200, b"9" * 5000, "no JSON: is it Label Studio"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_says_who_where_and_what_to_do(served: Callable[[Answer], str], case: str) -> None:
    status, body, message = FAILURES[case]
    url = served(lambda *_: (status, body))
    with LabelStudio(url, "t", "anna") as client, pytest.raises(AnnotationError, match=message) as raised:
        client.project(7)
    assert url in str(raised.value)
    assert str(raised.value) != "t"


@pytest.mark.parametrize("number", [True, 1.5, "7", None, -1, math.nan, math.inf, 10**4000, 2**63, [], {}])
def test_what_is_no_number_is_none(number: object, served: Callable[[Answer], str]) -> None:
    result = json.dumps({"id": number, "tasks": [], "total": number}).encode()
    with LabelStudio(served(lambda *_: (200, result)), "t", "anna") as client:
        for ask in (client.account_id, lambda: list(client.tasks(1)), lambda: client.annotate(1, [], 1.0)):
            with pytest.raises(AnnotationError, match=r"answers with .* as (id|total), expected a number"):
                ask()


@pytest.mark.parametrize("known", [b"5", b"{}", b"[1, null, {}]", b'"path"'])
def test_a_strange_list_of_folders_is_none(known: bytes, served: Callable[[Answer], str]) -> None:
    url = served(lambda method, *_: (200, known if method == "GET" else b"{}"))
    with LabelStudio(url, "t", "anna") as client:
        client.serve_folder(1, "pictures")


def test_tasks_without_end_are_not_read(served: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotation.label_studio.client._MOST_TASKS", 30)
    url = served(lambda *_: (200, {"tasks": [{}] * 10, "total": 2**62}))
    with LabelStudio(url, "t", "anna") as client, pytest.raises(AnnotationError, match="more than 30 tasks"):
        list(client.tasks(1))


def test_only_a_missing_project_is_gone(served: Callable[[Answer], str]) -> None:
    with LabelStudio(served(lambda *_: (404, {})), "t", "anna") as client:
        assert not client.has_project(1)
    with (
        LabelStudio(served(lambda *_: (503, b"busy")), "t", "anna") as client,
        pytest.raises(AnnotationError, match="status 503: busy"),
    ):
        client.has_project(1)


def test_a_server_that_is_down_is_named_with_what_starts_it() -> None:
    url = f"http://127.0.0.1:{free_ports(1)}"
    with LabelStudio(url, "secret-token", "anna") as client, pytest.raises(AnnotationError) as raised:
        client.who_am_i()
    assert "does not answer anna" in str(raised.value)
    assert "qreal annotate verify start" in str(raised.value)
    assert "secret-token" not in str(raised.value)


def test_a_personal_token_is_exchanged_and_renewed_when_it_runs_out(served: Callable[[Answer], str]) -> None:
    asked: list[str] = []

    def answer(method: str, path: str, authorization: str) -> tuple[int, object]:
        asked.append(path)
        if path == "/api/token/refresh":
            return 200, {"access": f"short-{asked.count(path)}"}
        return (200, {"id": 7}) if authorization == "Bearer short-2" else (401, {})

    with LabelStudio(served(answer), "aa.bb.cc", "anna") as client:
        assert client.project(7) == {"id": 7}
        client.project(7)
    assert asked == [
        "/api/token/refresh",
        "/api/projects/7",
        "/api/token/refresh",
        "/api/projects/7",
        "/api/projects/7",
    ]


def test_pages_of_tasks_are_read_to_the_end(served: Callable[[Answer], str]) -> None:
    def answer(method: str, path: str, authorization: str) -> tuple[int, object]:
        page = int(path.partition("page=")[2].partition("&")[0] if "&page=" not in path else path.split("&page=")[1])
        return (200, {"tasks": [{"id": page}], "total": 3}) if page <= 3 else (404, {})

    with LabelStudio(served(answer), "t", "anna") as client:
        assert [task["id"] for task in client.tasks(1)] == [1, 2, 3]


def test_tasks_that_the_server_leaves_out_are_noticed(served: Callable[[Answer], str]) -> None:
    url = served(lambda *_: (201, {"task_count": 1}))
    with LabelStudio(url, "t", "anna") as client, pytest.raises(AnnotationError, match="took 1 of 2 tasks for anna"):
        client.put_in(1, [{}, {}])


def test_redirects_are_not_followed(served: Callable[[Answer], str]) -> None:
    """The token and what was voted would go to another address."""
    with LabelStudio(served(lambda *_: (302, b"moved")), "0" * 40, "anna") as client:
        assert not client._http.follow_redirects
        with pytest.raises(AnnotationError, match="status 302: moved"):
            client.who_am_i()
