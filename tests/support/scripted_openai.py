"""A chat-completions server on the loopback interface that answers what a test scripts.

    with ScriptedServer(lambda asked: completion("Yes", {"Yes": 0.8, " no": 0.1})) as server:
        engine = OpenAIEngine("any", base_url=server.url, api_key="key")

The function sees every request and returns a ``Reply``; ``server.asked`` holds the requests in order of arrival.
"""

from __future__ import annotations

import asyncio
import base64
import io
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from PIL import Image


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; ``number`` counts from 0."""

    number: int
    body: dict[str, Any]

    @property
    def text(self) -> str:
        return "".join(part["text"] for part in self._parts if part["type"] == "text")

    @property
    def image_url(self) -> str:
        return str(next(part["image_url"]["url"] for part in self._parts if part["type"] == "image_url"))

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(base64.b64decode(self.image_url.partition(",")[2])))

    @property
    def _parts(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = self.body["messages"][-1]["content"]
        return parts


@dataclass(frozen=True)
class Reply:
    """What the server sends back. ``body`` as text is sent as it is, so that it can be malformed."""

    body: Mapping[str, Any] | str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: bool = False
    """Close the connection without an answer."""


def completion(
    text: str | None,
    top: Mapping[str, float] | None = None,
    *,
    refusal: str | None = None,
    finish_reason: str = "stop",
    usage: Mapping[str, Any] | None = None,
    delay_s: float = 0.0,
) -> Reply:
    """An answer; ``top`` gives the probabilities of the first token, None stands for a server without them."""
    choice: dict[str, Any] = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": text, "refusal": refusal},
        "logprobs": None,
    }
    if top is not None:
        entries = [
            {"token": token, "logprob": math.log(p) if p > 0 else -9999.0, "bytes": list(token.encode())}
            for token, p in top.items()
        ]
        choice["logprobs"] = {"content": [{**entries[0], "top_logprobs": entries}], "refusal": None}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted-1",
        "system_fingerprint": "fp_1",
        "choices": [choice],
        "usage": dict(usage or {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}),
    }
    return Reply(body, delay_s=delay_s)


def error(
    status: int, message: str = "no", *, code: str | None = None, param: str | None = None, **headers: str
) -> Reply:
    """An error of the API; keyword arguments become headers, ``retry_after="1"`` is ``retry-after: 1``."""
    body = {"error": {"message": message, "type": "scripted", "code": code, "param": param}}
    return Reply(body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


class ScriptedServer:
    """Serves in a thread of its own until the block is left."""

    def __init__(self, script: Callable[[Asked], Reply], port: int = 0) -> None:
        self.asked: list[Asked] = []
        self._script = script
        self._port = port
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(timeout=20):
            raise RuntimeError("the scripted server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=20)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=2**28)
        app.router.add_post("/v1/chat/completions", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        await site.start()
        self._port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()
        # Replies still in their delay: left to the garbage collector, they would complain in the log of another test.
        late = asyncio.all_tasks() - {asyncio.current_task()}
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _answer(self, request: web.Request) -> web.Response:
        asked = Asked(len(self.asked), await request.json())
        self.asked.append(asked)
        reply = self._script(asked)
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        if reply.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(reply.body, str):
            return web.Response(
                text=reply.body, status=reply.status, headers=reply.headers, content_type="application/json"
            )
        return web.json_response(reply.body, status=reply.status, headers=reply.headers)
