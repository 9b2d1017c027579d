"""Label Studio over HTTP, as one account sees it. Every failure says who, where and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx2

from annotation.errors import AnnotationError

_TASKS_A_REQUEST = 500
_START = "start it with `qreal annotate verify start RUN`"
Json = dict[str, Any]


class LabelStudio:
    """One account on one server.

    Args:
        who: whose account it is, for messages.
        token: a legacy token, or a personal access token, which is exchanged for short-lived ones.

    Raises:
        AnnotationError: from any method: the server does not answer, refuses the token, lacks the project, or fails.
    """

    def __init__(self, url: str, token: str, who: str, timeout_s: float = 120.0) -> None:
        self.url, self._token, self._who = url.rstrip("/"), token, who
        self._http = httpx2.Client(
            base_url=self.url, timeout=timeout_s, transport=httpx2.HTTPTransport(retries=2), trust_env=False
        )
        self._authorization = "" if self._is_personal else f"Token {token}"

    def __enter__(self) -> LabelStudio:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def version(self) -> Json:
        """What the server says of itself; asked without the token, so it works while a server starts."""
        return dict(self._send("GET", "/api/version", authorized=False))

    def who_am_i(self) -> Json:
        """The account."""
        return dict(self._send("GET", "/api/current-user/whoami"))

    def create_project(self, title: str, label_config: str, description: str) -> int:
        """A project in which tasks come in the order in which they were put in; returns its id."""
        said = {
            "title": title,
            "description": description,
            "label_config": label_config,
            "sampling": "Sequential sampling",
            "show_skip_button": False,
            "maximum_annotations": 1,
            "show_collab_predictions": True,
            "model_version": "draft",
        }
        return int(self._send("POST", "/api/projects", said)["id"])

    def change_page(self, project_id: int, label_config: str) -> None:
        """Another labelling page for the same tasks."""
        self._send("PATCH", f"/api/projects/{project_id}", {"label_config": label_config})

    def project(self, project_id: int) -> Json:
        """The project, with its counts of tasks."""
        return dict(self._send("GET", f"/api/projects/{project_id}"))

    def has_project(self, project_id: int) -> bool:
        """Whether it is there for this account. A server that fails has not said that it is gone."""
        reply = self._answer("GET", f"/api/projects/{project_id}")
        return reply.status_code != 404 and bool(self._read(reply))

    def serve_folder(self, project_id: int, folder: str) -> None:
        """Let the members of a project see the files of a folder on the server's disk; once is enough."""
        known = self._read(self._answer("GET", "/api/storages/localfiles", parameters={"project": project_id}))
        if any(storage["path"] == folder for storage in known):
            return
        said = {"project": project_id, "path": folder, "use_blob_urls": True, "title": "pictures"}
        self._send("POST", "/api/storages/localfiles", said)

    def put_in(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Add tasks, in order, a portion a request."""
        for at in range(0, len(tasks), _TASKS_A_REQUEST):
            some = list(tasks[at : at + _TASKS_A_REQUEST])
            done = self._send("POST", f"/api/projects/{project_id}/import", some)
            if done.get("task_count") != len(some):
                raise AnnotationError(f"{self.url} took {done.get('task_count')} of {len(some)} tasks for {self._who}")

    def tasks(self, project_id: int, since: str | None = None) -> Iterator[Json]:
        """The tasks with their annotations, in the order of their ids.

        Args:
            since: only those that were changed, answered or unanswered after this time (ISO 8601).
        """
        query = {} if since is None else {"query": json.dumps(_changed(since))}
        fixed = {"project": project_id, "fields": "all", "page_size": _TASKS_A_REQUEST, "ordering": "id", **query}
        seen, page = 0, 1
        while True:
            reply = self._answer("GET", "/api/tasks", parameters={**fixed, "page": page})
            if reply.status_code == 404 and page > 1:  # a page after the last one
                return
            said = self._read(reply)
            yield from said["tasks"]
            seen, page = seen + len(said["tasks"]), page + 1
            if not said["tasks"] or seen >= said["total"]:
                return

    def annotate(self, task_id: int, results: Sequence[Mapping[str, Any]], seconds: float) -> int:
        """Submit an annotation, as the page does; returns its id."""
        said = {"result": list(results), "lead_time": seconds}
        return int(self._send("POST", f"/api/tasks/{task_id}/annotations/", said)["id"])

    @property
    def _is_personal(self) -> bool:
        return self._token.count(".") == 2

    def _send(self, method: str, path: str, said: object = None, authorized: bool = True) -> Json:
        found: Json = self._read(self._answer(method, path, said, authorized=authorized))
        return found

    def _answer(
        self,
        method: str,
        path: str,
        said: object = None,
        parameters: Mapping[str, Any] | None = None,
        authorized: bool = True,
    ) -> httpx2.Response:
        reply = self._once(method, path, said, parameters, authorized)
        if reply.status_code == 401 and authorized and self._is_personal:
            self._authorization = ""
            reply = self._once(method, path, said, parameters, authorized)
        return reply

    def _once(
        self, method: str, path: str, said: object, parameters: Mapping[str, Any] | None, authorized: bool
    ) -> httpx2.Response:
        if authorized and not self._authorization:
            exchanged = self._once("POST", "/api/token/refresh", {"refresh": self._token}, None, False)
            self._authorization = f"Bearer {self._read(exchanged)['access']}"
        headers = {"Authorization": self._authorization} if authorized else {}
        try:
            return self._http.request(method, path, json=said, params=parameters, headers=headers)
        except httpx2.HTTPError as error:
            why = str(error) or type(error).__name__
            raise AnnotationError(f"{self.url} does not answer {self._who} ({why}); {_START}") from None

    def _read(self, reply: httpx2.Response) -> Any:
        if reply.status_code in (401, 403):
            raise AnnotationError(f"{self.url} refuses the token of {self._who}; give the one of the account's page")
        if reply.status_code == 404:
            raise AnnotationError(
                f"{self.url}{reply.request.url.path}: not there for {self._who}; was the project deleted by hand? "
                "Votes that were pulled are kept, and `qreal annotate verify start RUN` makes a new project"
            )
        if not reply.is_success:
            raise AnnotationError(f"{self.url}{reply.request.url.path}: status {reply.status_code}: {reply.text[:300]}")
        try:
            return reply.json() if reply.content else {}
        except ValueError:
            raise AnnotationError(
                f"{self.url}{reply.request.url.path} answers with no JSON: is it Label Studio?"
            ) from None


def _changed(since: str) -> Json:
    """A filter of the data manager."""
    item = {"filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime", "value": since}
    return {"filters": {"conjunction": "and", "items": [item]}}
