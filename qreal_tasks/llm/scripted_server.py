"""A chat-completions server on the loopback interface that answers what a function scripts.

    with ScriptedServer(lambda asked: completion("Yes", {"Yes": 0.8, " no": 0.1})) as server:
        engine = OpenAIEngine("any", base_url=server.url, api_key="key")

The function sees every request and returns a ``Reply``; the server's ``asked`` holds the requests in order of arrival.
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
        return self._image_urls[0]

    @property
    def image(self) -> Image.Image:
        return self.images[0]

    @property
    def images(self) -> list[Image.Image]:
        """Pictures that are sent in the request itself."""
        return [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in self._image_urls]

    @property
    def _image_urls(self) -> list[str]:
        return [str(part["image_url"]["url"]) for part in self._parts if part["type"] == "image_url"]

    @property
    def _parts(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = self.body["messages"][-1]["content"]
        return parts


@dataclass(frozen=True)
class Reply:
    """What the server sends back. ``body`` as text or bytes is sent as it is, so that it can be malformed."""

    body: Mapping[str, Any] | list[Any] | str | bytes = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: bool = False
    """Close the connection without an answer."""


def token(text: str, p: float, top: Mapping[str, float]) -> dict[str, Any]:
    """An entry of ``logprobs.content``: the token taken with its probability, and those listed in its place."""

    def entry(text: str, p: float) -> dict[str, Any]:
        return {"token": text, "logprob": math.log(p) if p > 0 else -9999.0, "bytes": list(text.encode())}

    return {**entry(text, p), "top_logprobs": [entry(*one) for one in top.items()]}


def completion(
    text: str | None,
    top: Mapping[str, float] | None = None,
    *,
    refusal: str | None = None,
    finish_reason: str = "stop",
    usage: Mapping[str, Any] | None = None,
    delay_s: float = 0.0,
) -> Reply:
    """An answer; ``top`` gives the probabilities of the first token, None stands for a server without them.

    The token taken is the one of ``top`` that the text begins with, else the first; the rest of the text is one token.
    """
    choice: dict[str, Any] = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": text, "refusal": refusal},
        "logprobs": None,
    }
    if top is not None:
        answer = text or ""
        taken = next((one for one in top if one.strip() and answer.startswith(one.strip())), next(iter(top)))
        rest = answer.removeprefix(taken.strip())
        tokens = [token(taken, top[taken], top), *([token(rest, 1.0, {rest: 1.0})] if rest else [])]
        choice["logprobs"] = {"content": tokens, "refusal": None}
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


class LoopbackServer:
    """Serves an application in a thread of its own until the block is left.

    Args:
        application: made once the block is entered.
        port: a free one when 0.
    """

    def __init__(self, application: Callable[[], web.Application], port: int = 0) -> None:
        self._application, self._port = application, port
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(timeout=20):
            raise RuntimeError(f"the {type(self).__name__} did not start")
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():  # a server that died in the block is left twice
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=20)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)
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


class ScriptedServer(LoopbackServer):
    """Answers chat completions by a script.

    Args:
        port: a free one when 0; the port of a server that is gone, for one that comes back.
        models: what ``GET /v1/models`` answers; 404 without.
        vocabulary: tokens with their ids, which the server tells at ``/tokenize`` as vLLM does; None for a server
            without that address.
    """

    def __init__(
        self,
        script: Callable[[Asked], Reply],
        port: int = 0,
        models: Reply | None = None,
        vocabulary: Mapping[str, int] | None = None,
    ) -> None:
        self.asked: list[Asked] = []
        self.tokenized: list[dict[str, Any]] = []
        """What ``/tokenize`` was asked."""
        self._vocabulary = vocabulary
        self._script, self._models = script, models or Reply({"detail": "Not Found"}, status=404)
        super().__init__(self._routes, port)

    def _routes(self) -> web.Application:
        app = web.Application(client_max_size=2**28)
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/tokenize", self._tokenize)
        return app

    async def _tokenize(self, request: web.Request) -> web.Response:
        """The longest tokens first, ``Ġ`` for a space and ``Ċ`` for a line break."""
        asked = await request.json()
        self.tokenized.append(asked)
        if self._vocabulary is None:
            return web.json_response({"detail": "Not Found"}, status=404)
        rest, found = asked["prompt"].replace(" ", "Ġ").replace("\n", "Ċ"), list[str]()
        while rest:
            found.append(max((one for one in self._vocabulary if rest.startswith(one)), key=len))
            rest = rest.removeprefix(found[-1])
        reply: dict[str, Any] = {"count": len(found), "tokens": [self._vocabulary[one] for one in found]}
        if asked.get("return_token_strs"):
            reply["token_strs"] = found
        return web.json_response(reply)

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
        return _respond(reply)

    async def _list(self, _: web.Request) -> web.Response:
        return _respond(self._models)


def _respond(reply: Reply) -> web.Response:
    if isinstance(reply.body, str | bytes):
        raw = reply.body.encode() if isinstance(reply.body, str) else reply.body
        return web.Response(body=raw, status=reply.status, headers=reply.headers, content_type="application/json")
    return web.json_response(reply.body, status=reply.status, headers=reply.headers)
