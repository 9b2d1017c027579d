"""The routes of a reward server."""

from __future__ import annotations

import asyncio
import base64
import functools
import io
import json
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from fastapi import Depends, FastAPI, Request, Response
from PIL import Image
from starlette.requests import ClientDisconnect

from qreal_tasks.benchmark import QUESTIONS
from qreal_tasks.pages.environment import page_environment
from qreal_tasks.screening.reward.image_reward import ImageReward
from qreal_tasks.screening.reward.reward import QRealReward
from qreal_tasks.screening.serving.gate import Gate
from qreal_tasks.screening.serving.limits import MemoryBudget, RequestRefusedError, ServeLimits
from qreal_tasks.screening.serving.metrics import CONTENT_TYPE, ServerMetrics
from qreal_tasks.screening.serving.reward_queue import FullQueueError, RewardQueue
from qreal_tasks.screening.serving.tokens import TokenCheck
from qreal_tasks.screening.serving.uploads import FORMATS, Maps, read_upload
from qreal_tasks.text.redaction import redact

logger = logging.getLogger(__name__)

_CLIENT_LEFT = 499
_LOOK_EVERY_S = 1.0
"""How often a request that waits looks whether its client is still there."""


class RewardServer:
    """A reward, its queue, and the application that takes requests for it.

    Args:
        reward: used by the queue's thread alone.
        name: of the model, as everybody may see it.
        token: that every request has to bring; None for none.
        batch, wait_s: of the queue.
        only_loopback: refuse requests that call this machine by another name than 127.0.0.1 or localhost.
    """

    def __init__(
        self,
        reward: QRealReward,
        *,
        name: str,
        token: str | None = None,
        limits: ServeLimits | None = None,
        batch: int = 16,
        wait_s: float = 0.01,
        only_loopback: bool = True,
    ) -> None:
        self._name, self._limits = name, limits or ServeLimits()
        self._calibration = reward.calibration
        self._budget = MemoryBudget(self._limits.memory_bytes)
        self._metrics = ServerMetrics(reward.counts, lambda: len(self.queue))
        self.queue = RewardQueue(
            reward, batch=batch, wait_s=wait_s, most=self._limits.queued_images, observe=self._metrics.count_batch
        )
        self._needs_token = token is not None
        self.cut_off = 0
        """Requests that waited for the model when the server had to end."""
        self.app = self._make_app(Depends(TokenCheck(token).check))
        self.app.add_middleware(Gate, metrics=self._metrics, only_loopback=only_loopback)

    def close(self) -> bool:
        """Judge what waits and stop; whether that ended in time."""
        return self.queue.close()

    def _make_app(self, checked: Any) -> FastAPI:
        # Its pages of documentation load scripts from other sites.
        app = FastAPI(title="Q-Real reward", docs_url=None, redoc_url=None, openapi_url=None)
        app.add_api_route("/", self._page, methods=["GET"])
        app.add_api_route("/healthz", self._health, methods=["GET"])
        app.add_api_route("/metrics", self._write_metrics, methods=["GET"], dependencies=[checked])
        app.add_api_route("/score", self._score, methods=["POST"], dependencies=[checked])
        app.add_exception_handler(RequestRefusedError, _answer_refused)
        app.add_exception_handler(ClientDisconnect, _answer_nobody)
        return app

    async def _page(self) -> Response:
        return Response(self._drop_page, media_type="text/html")

    @functools.cached_property
    def _drop_page(self) -> str:
        template = page_environment("qreal_tasks.screening.serving").get_template("drop.html.j2")
        limits = self._limits
        return template.render(
            title="Drop a picture",
            model=self._name,
            needs_token=self._needs_token,
            formats=FORMATS,
            limits=limits,
            calibration=self._calibration,
            questions={one.name: {"short": one.about, "text": one.text} for one in QUESTIONS},
        )

    async def _health(self) -> Response:
        state = "ok" if self.queue.alive else "stopping"
        return _as_json({"status": state, "waiting": len(self.queue)}, 200 if self.queue.alive else 503)

    async def _write_metrics(self) -> Response:
        return Response(self._metrics.write(), media_type=CONTENT_TYPE)

    async def _score(self, request: Request) -> Response:
        with self._budget.lease() as lease:
            upload = await read_upload(request, self._limits, lease)
            try:
                futures = self.queue.submit(upload.pictures)
            except FullQueueError as error:
                raise RequestRefusedError(429, f"{error}; try again later", error.retry_after_s) from None
            except RuntimeError as error:
                raise RequestRefusedError(503, str(error)) from None
            try:
                found = await _wait_for(futures, request)
            except asyncio.CancelledError:  # uvicorn's, once the time to end in is over
                self.cut_off += 1
                raise RequestRefusedError(503, "the server had to end before the model answered; ask again") from None
        return await asyncio.to_thread(self._write_rewards, found, upload.maps)

    def _write_rewards(self, found: Sequence[ImageReward], maps: Maps | None) -> Response:
        about = {"model": self._name, "calibrated": self._calibration is not None}
        return _as_json({**about, "rewards": [_write_reward(one, maps) for one in found]})


async def _wait_for(futures: Sequence[Future[ImageReward]], request: Request) -> list[ImageReward]:
    """The results; when the client leaves before, what has not begun is taken out of the queue."""
    waiting = [asyncio.wrap_future(one) for one in futures]
    try:
        while True:
            _, pending = await asyncio.wait(waiting, timeout=_LOOK_EVERY_S)
            if not pending:
                break
            if await request.is_disconnected():
                raise ClientDisconnect
    finally:
        for one in waiting:
            one.cancel()
    errors = [error for one in waiting if (error := one.exception()) is not None]
    if errors:
        text = redact(f"{type(errors[0]).__name__}: {errors[0]}")
        raise RequestRefusedError(500, f"the model failed: {text}; the server's log says more")
    return [one.result() for one in waiting]


def _write_reward(one: ImageReward, maps: Maps | None) -> dict[str, Any]:
    plain = one.to_dict()
    if maps is None:
        return plain
    values = one.with_map().map
    if values is None:
        return plain | {"map": None}
    if maps == "list":
        return plain | {"map": values.tolist()}
    out = io.BytesIO()
    Image.fromarray(np.rint(values * 255).astype(np.uint8)).save(out, "PNG")
    return plain | {"map": base64.b64encode(out.getvalue()).decode()}


def _as_json(plain: dict[str, Any], status: int = 200) -> Response:
    """ASCII: half a surrogate pair, which a model may write, has no UTF-8."""
    return Response(json.dumps(plain, allow_nan=False), status, media_type="application/json")


async def _answer_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestRefusedError)
    answer = _as_json({"error": error.reason}, error.status)
    if error.retry_after_s is not None:
        answer.headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


async def _answer_nobody(_: Request, error: Exception) -> Response:
    return Response(status_code=_CLIENT_LEFT)
