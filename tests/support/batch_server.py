"""OpenAI's Batch API on the loopback interface: files, batches, and answers that a test scripts.

    with BatchServer(lambda asked: scored(0.5), polls=2) as server:
        judge = BatchJudge(manifest_for(server.url), cache, api_key="key")

A batch is ``in_progress`` for ``polls`` looks, then the script answers its requests in shuffled order: status 200 goes
into the output file, any other into the error file. ``server.asked`` holds the requests of all batches, in the order of
submission. Live requests are answered by the same script.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from qreal_tasks.llm.scripted_server import Asked, LoopbackServer, Reply


@dataclass
class Ending:
    """How a batch ends, when not with an answer to everything."""

    status: str = "completed"
    answered: int | None = None
    """So many requests; those left have expired when the status says so. None for all."""
    errors: tuple[Mapping[str, Any], ...] = ()
    """Of the whole batch."""
    more_lines: tuple[str, ...] = ()
    """Put into the output file as they are."""


@dataclass
class _Batch:
    shown: dict[str, Any]
    requests: list[dict[str, Any]]
    polls_left: int


class BatchServer(LoopbackServer):
    """Answers batches by a script.

    Args:
        fault: sees every "METHOD /path" before it is done; a Reply is sent in its place.
        after: sees the same when it is done and the answer is not yet sent; a Reply is sent in place of the answer.
    """

    def __init__(
        self,
        script: Callable[[Asked], Reply],
        *,
        polls: int = 1,
        ending: Callable[[int], Ending] = lambda number: Ending(),
        fault: Callable[[str], Reply | None] = lambda what: None,
        after: Callable[[str], Reply | None] = lambda what: None,
    ) -> None:
        self.asked: list[Asked] = []
        self.live: list[Asked] = []
        self.batch_sizes: list[tuple[int, int]] = []
        """Requests and bytes of every batch."""
        self.uploads = 0
        self.fault, self.after, self.ending = fault, after, ending
        self._script, self._polls = script, polls
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, _Batch] = {}
        super().__init__(self._routes)

    def _routes(self) -> web.Application:
        app = web.Application(client_max_size=2**28, middlewares=[self._with_faults])
        app.router.add_post("/v1/chat/completions", self._live)
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list)
        app.router.add_get("/v1/batches/{id}", self._retrieve)
        return app

    @web.middleware  # type: ignore[untyped-decorator]
    async def _with_faults(self, request: web.Request, handler: Any) -> web.StreamResponse:
        what = f"{request.method} {request.path.removeprefix('/v1')}"
        early = self.fault(what)
        if early is None:
            done: web.StreamResponse = await handler(request)
            late = self.after(what)
            if late is None:
                return done
            early = late
        if early.drop:
            assert request.transport is not None
            request.transport.abort()
        text = early.body if isinstance(early.body, str) else json.dumps(early.body)
        return web.Response(text=text, status=early.status, headers=early.headers, content_type="application/json")

    async def _live(self, request: web.Request) -> web.Response:
        asked = Asked(len(self.live), await request.json())
        self.live.append(asked)
        reply = self._script(asked)
        return web.json_response(reply.body, status=reply.status)

    async def _upload(self, request: web.Request) -> web.Response:
        result = await request.post()
        assert result["purpose"] == "batch"
        upload = result["file"]
        assert isinstance(upload, web.FileField)
        self.uploads += 1
        return web.json_response({"id": self._file(upload.file.read()), "object": "file", "purpose": "batch"})

    async def _create(self, request: web.Request) -> web.Response:
        result = await request.json()
        assert (result["endpoint"], result["completion_window"]) == ("/v1/chat/completions", "24h")
        raw = self._files[result["input_file_id"]]
        requests = [json.loads(line) for line in raw.splitlines()]
        assert all((one["method"], one["url"]) == ("POST", "/v1/chat/completions") for one in requests)
        self.batch_sizes.append((len(requests), len(raw)))
        self.asked += [Asked(len(self.asked) + n, one["body"]) for n, one in enumerate(requests)]
        number = len(self._batches)
        shown = {
            "id": f"batch_{number}",
            "object": "batch",
            "status": "validating",
            "created_at": number,
            **result,
            "request_counts": {"total": len(requests), "completed": 0, "failed": 0},
        }
        self._batches[shown["id"]] = _Batch(shown, requests, self._polls)
        return web.json_response(shown)

    async def _list(self, request: web.Request) -> web.Response:
        """Two a page, so that a client that reads one page only is found out."""
        newest_first = [batch.shown for batch in reversed(self._batches.values())]
        ids = [batch["id"] for batch in newest_first]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        page = newest_first[start : start + 2]
        more = start + 2 < len(newest_first)
        return web.json_response({"object": "list", "data": page, "has_more": more})

    async def _retrieve(self, request: web.Request) -> web.Response:
        batch = self._batches.get(request.match_info["id"])
        if batch is None:
            return web.json_response({"error": {"message": "No batch found"}}, status=404)
        if batch.polls_left > 0:
            batch.polls_left -= 1
            batch.shown["status"] = "in_progress"
        elif batch.shown["status"] in ("validating", "in_progress"):
            self._end(batch)
        return web.json_response(batch.shown)

    def _end(self, batch: _Batch) -> None:
        ending = self.ending(int(batch.shown["id"].removeprefix("batch_")))
        requests = batch.requests if ending.answered is None else batch.requests[: ending.answered]
        answered, failed = list[str](), list[str]()
        for number, request in enumerate(requests):
            reply = self._script(Asked(number, request["body"]))
            response = {"status_code": reply.status, "request_id": "r", "body": reply.body}
            line = json.dumps({"id": "b", "custom_id": request["custom_id"], "response": response, "error": None})
            (answered if reply.status == 200 else failed).append(line)
        if ending.status in ("expired", "cancelled"):
            fault = {"code": f"batch_{ending.status}", "message": "This request could not be executed."}
            left = batch.requests[len(requests) :]
            failed += [json.dumps({"custom_id": one["custom_id"], "response": None, "error": fault}) for one in left]
        random.Random(0).shuffle(answered)
        batch.shown["status"] = ending.status
        batch.shown["errors"] = {"object": "list", "data": list(ending.errors)} if ending.errors else None
        batch.shown["request_counts"] |= {"completed": len(answered), "failed": len(failed)}
        for name, lines in (("output_file_id", [*answered, *ending.more_lines]), ("error_file_id", failed)):
            batch.shown[name] = self._file("".join(f"{line}\n" for line in lines).encode()) if lines else None

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(body=self._files[request.match_info["id"]])

    def _file(self, content: bytes) -> str:
        name = f"file-{len(self._files)}"
        self._files[name] = content
        return name
