"""A client of Label Studio over HTTP, as one account sees it. Every error says who, where and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpx2

from annotation.errors import AnnotationError
from qreal_tasks.llm.errors.messages import MalformedAnswer, short
from qreal_tasks.llm.http import at_most
from qreal_tasks.text.json_text import DeepJsonError, load_json
from qreal_tasks.text.redaction import own_keys, redact_keys

_TASKS_A_REQUEST = 500
_MOST_TASKS = 1_000_000
"""Tasks of one project at most; a server that counts without end would be asked without end."""
_MOST_BYTES = 2**27
"""Bytes of one answer at most, after decompressing: a page of tasks with all submissions has some megabytes."""
_START = "start it with `qreal annotate verify start RUN`"
Json = dict[str, Any]


class _Response(NamedTuple):
    """An answer of a server."""

    status: int
    path: str
    content: bytes


class LabelStudio:
    """Client of one account on one server. What the server sends comes without the account's tokens: it is printed.

    Args:
        who: whose account it is, for messages.
        token: a legacy token, or a personal access token, which is exchanged for short-lived ones.

    Raises:
        AnnotationError: from any method: the server does not answer, refuses the token, lacks the project, or fails.
    """

    def __init__(self, url: str, token: str, who: str, timeout_s: float = 120.0) -> None:
        self.url, self._token, self._who = url.rstrip("/"), token, who
        self._keys = own_keys(token)
        self._http = httpx2.Client(
            base_url=self.url, timeout=timeout_s, transport=httpx2.HTTPTransport(retries=2), trust_env=False
        )
        self._authorization = "" if self._is_personal else f"Token {token}"
        self.server_time: datetime | None = None
        """When it answered last, by the server's clock; None where it does not say."""

    def __enter__(self) -> LabelStudio:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def who_am_i(self) -> Json:
        """What the server knows of the account."""
        return self._send("GET", "/api/current-user/whoami")

    def account_id(self) -> int:
        """The number of the account."""
        return self._number(self.who_am_i(), "id", "/api/current-user/whoami")

    def create_project(self, title: str, label_config: str, description: str) -> int:
        """Make a project in which tasks come in the order in which they were put in; returns its id."""
        body = {
            "title": title,
            "description": description,
            "label_config": label_config,
            "sampling": "Sequential sampling",
            "show_skip_button": False,
            "maximum_annotations": 1,
            "show_collab_predictions": True,
            "model_version": "draft",
        }
        return self._number(self._send("POST", "/api/projects", body), "id", "/api/projects")

    def change_page(self, project_id: int, label_config: str) -> None:
        """Give a project another labelling page for the same tasks."""
        self._send("PATCH", f"/api/projects/{project_id}", {"label_config": label_config})

    def project(self, project_id: int) -> Json:
        """The project, with its counts of tasks."""
        return self._send("GET", f"/api/projects/{project_id}")

    def has_project(self, project_id: int) -> bool:
        """Whether the account can open the project. A server that fails has not said that it is gone."""
        reply = self._answer("GET", f"/api/projects/{project_id}")
        return reply.status != 404 and bool(self._read(reply))

    def serve_folder(self, project_id: int, folder: str) -> None:
        """Let the members of a project see the files of a folder on the server's disk; nothing is done twice."""
        known = self._read(self._answer("GET", "/api/storages/localfiles", params={"project": project_id}))
        storages = known if isinstance(known, list) else []
        if any(isinstance(storage, dict) and storage.get("path") == folder for storage in storages):
            return
        body = {"project": project_id, "path": folder, "use_blob_urls": True, "title": "pictures"}
        self._send("POST", "/api/storages/localfiles", body)

    def put_in(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Add tasks, in order, a portion a request."""
        for at in range(0, len(tasks), _TASKS_A_REQUEST):
            some = list(tasks[at : at + _TASKS_A_REQUEST])
            done = self._send("POST", f"/api/projects/{project_id}/import", some)
            if done.get("task_count") != len(some):
                raise AnnotationError(f"{self.url} took {done.get('task_count')} of {len(some)} tasks for {self._who}")

    def tasks(self, project_id: int, since: str | None = None) -> Iterator[Any]:
        """Read the tasks with their annotations, in the order of their ids; as the server sends them, unchecked.

        Args:
            since: only those that were changed, answered or unanswered after this time (ISO 8601).
        """
        query = {} if since is None else {"query": json.dumps(_filter_since(since))}
        fixed = {"project": project_id, "fields": "all", "page_size": _TASKS_A_REQUEST, "ordering": "id", **query}
        seen, page = 0, 1
        while True:
            reply = self._answer("GET", "/api/tasks", params={**fixed, "page": page})
            if reply.status == 404 and page > 1:  # a page after the last one
                return
            content = self._object(reply)
            tasks, total = content.get("tasks"), self._number(content, "total", "/api/tasks")
            if not isinstance(tasks, list):
                raise self._unexpected("/api/tasks", f"{_shorten(tasks)} as tasks", "a list")
            yield from tasks
            seen, page = seen + len(tasks), page + 1
            if seen > _MOST_TASKS:
                raise self._unexpected("/api/tasks", f"more than {_MOST_TASKS:,} tasks", "those of one run")
            if not tasks or seen >= total:
                return

    def annotate(self, task_id: int, results: Sequence[Mapping[str, Any]], seconds: float) -> int:
        """Submit an annotation, as the page does; returns its id."""
        body = {"result": list(results), "lead_time": seconds}
        path = f"/api/tasks/{task_id}/annotations/"
        return self._number(self._send("POST", path, body), "id", path)

    @property
    def _is_personal(self) -> bool:
        return self._token.count(".") == 2

    def _send(self, method: str, path: str, body: object = None) -> Json:
        return self._object(self._answer(method, path, json=body))

    def _object(self, reply: _Response) -> Json:
        found = self._read(reply)
        if not isinstance(found, dict):
            raise self._unexpected(reply.path, f"{_shorten(found)}", "a JSON object")
        return found

    def _number(self, content: Json, name: str, path: str) -> int:
        found = content.get(name)
        if type(found) is not int or not 0 <= found < 2**63:
            raise self._unexpected(path, f"{_shorten(found)} as {name}", "a number")
        return found

    def _unexpected(self, path: str, found: str, expected: str) -> AnnotationError:
        return AnnotationError(f"{self.url}{path} answers with {found}, expected {expected}: is it Label Studio?")

    def _answer(self, method: str, path: str, **request: Any) -> _Response:
        reply = self._once(method, path, **request)
        if reply.status == 401 and self._is_personal:
            self._authorization = ""
            reply = self._once(method, path, **request)
        return reply

    def _once(self, method: str, path: str, authorized: bool = True, **request: Any) -> _Response:
        if authorized and not self._authorization:
            self._keys = own_keys(self._token)  # the new token may be the old one
            exchanged = self._once("POST", "/api/token/refresh", False, json={"refresh": self._token})
            access = str(self._object(exchanged).get("access"))
            self._keys = own_keys(self._token, access)
            self._authorization = f"Bearer {access}"
        headers = {"Authorization": self._authorization} if authorized else {}
        try:
            with self._http.stream(method, path, headers=headers, **request) as reply:
                self.server_time = _parse_time(reply.headers.get("date")) or self.server_time
                return _Response(reply.status_code, reply.request.url.path, self._content(reply))
        except httpx2.HTTPError as error:
            why = short(redact_keys(str(error), *self._keys)) or type(error).__name__
            raise AnnotationError(f"{self.url} does not answer {self._who} ({why}); {_START}") from None

    def _content(self, reply: httpx2.Response) -> bytes:
        """Read the body, up to the size that is allowed."""
        try:
            return at_most(reply.iter_bytes(), _MOST_BYTES)
        except MalformedAnswer:
            path = reply.request.url.path
            raise AnnotationError(f"{self.url}{path} answers with more than {_MOST_BYTES:,} bytes") from None

    def _read(self, reply: _Response) -> Any:
        if reply.status in (401, 403):
            raise AnnotationError(f"{self.url} refuses the token of {self._who}; give the one of the account's page")
        if reply.status == 404:
            raise AnnotationError(
                f"{self.url}{reply.path}: not there for {self._who}; was the project deleted by hand? "
                "Votes that were pulled are kept, and `qreal annotate verify start RUN` makes a new project"
            )
        if not 200 <= reply.status < 300:
            text = short(redact_keys(reply.content[:1200].decode("utf-8", "replace"), *self._keys))
            raise AnnotationError(f"{self.url}{reply.path}: status {reply.status}: {text}")
        try:
            return redact_keys(load_json(reply.content), *self._keys) if reply.content else {}
        except DeepJsonError:
            raise AnnotationError(f"{self.url}{reply.path} answers with JSON that is nested too deep") from None
        except ValueError:
            raise AnnotationError(f"{self.url}{reply.path} answers with no JSON: is it Label Studio?") from None


def _shorten(found: object) -> str:
    """The beginning of a value, whatever it is."""
    try:
        return f"{found!r:.80}"
    except ValueError:  # a number of 5,000 digits
        return f"a {type(found).__name__} that is too large to show"


def _parse_time(date: str | None) -> datetime | None:
    """The time in a header; None for one that holds none, or no zone."""
    try:
        found = parsedate_to_datetime(date or "")
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else None


def _filter_since(since: str) -> Json:
    """The data manager's filter for tasks that were changed after a time."""
    item = {"filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime", "value": since}
    return {"filters": {"conjunction": "and", "items": [item]}}
