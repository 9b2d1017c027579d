"""Questions to a model behind an OpenAI-compatible server: GPT-4o, vLLM, SGLang and the like.

engine = OpenAIEngine("gpt-4o", prices=load_prices(path, "gpt-4o"))
for index, response in engine.run(requests):
    ...
print(engine.usage, engine.cost())
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from qreal_tasks.models.openai_bridge import iterate
from qreal_tasks.models.openai_dialect import Dialect
from qreal_tasks.models.openai_http import ChatServer, StatusError
from qreal_tasks.models.openai_pictures import JPEG_QUALITY, ImageFormat, Pictures, UnsendableImage, by_picture
from qreal_tasks.models.openai_reading import first_token, read
from qreal_tasks.models.openai_retry import CONTENT_FILTER, Action, StoppedRun, Verdict, judge, wait_s
from qreal_tasks.models.openai_usage import Prices, Usage
from qreal_tasks.models.requests import Request, Response

DEFAULT_BASE_URL = "https://api.openai.com/v1"
FAILURES_IN_A_ROW = 50
"""Requests given up one after the other, none answered between them, before the run stops: the server is gone."""

log = logging.getLogger(__name__)
Progress = Callable[[int, int, float | None], None]


class OpenAIEngine:
    """Asks ``concurrency`` requests at a time and yields the answers as they come.

    Twice as many are under way: while some wait to be repeated, others take their places, and the next pictures are
    encoded. When all of them wait, nothing new is asked, so a server that refuses is not flooded.

    Args:
        base_url: of the server, with ``/v1``; default ``OPENAI_BASE_URL``, then OpenAI itself.
        api_key: default ``OPENAI_API_KEY``; a server of one's own (``base_url``) needs none.
        logprobs: ask for the probabilities of the first token of requests with ``choices``.
        top_logprobs: how many tokens are listed; OpenAI allows 20.
        timeout_s: of one attempt.
        max_retries: of one request, after time-outs, lost connections, malformed answers, 408, 409, 429 and 5xx.
        image_detail: ``low``, ``high`` or ``auto``, as OpenAI defines it; other servers ignore it.
        image_format: ``png`` sends the pixels as they are; ``jpeg`` is smaller and changes what is judged.
        prices: dollars per million tokens, with ``input``, ``output`` and perhaps ``cached_input``.
        first_wait_s: before the first retry when the server names no time; three times as long before each next one,
            a minute at most.
        progress: called with answered, total and the cost so far (None without prices) after every answer.

    Raises:
        StoppedRun: there is no key and OpenAI itself is asked.
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        concurrency: int = 32,
        logprobs: bool = True,
        top_logprobs: int = 20,
        timeout_s: float = 120,
        max_retries: int = 6,
        image_detail: str = "high",
        image_format: ImageFormat = "png",
        prices: Prices | Mapping[str, float] | None = None,
        seed: int | None = None,
        temperature: float | None = 0,
        first_wait_s: float = 0.1,
        progress: Progress | None = None,
    ) -> None:
        _check(concurrency >= 1, "concurrency", concurrency, "1 or more")
        _check(1 <= top_logprobs <= 20, "top_logprobs", top_logprobs, "1 to 20")
        _check(max_retries >= 0, "max_retries", max_retries, "0 or more")
        _check(timeout_s > 0, "timeout_s", timeout_s, "more than 0")
        _check(image_detail in ("low", "high", "auto"), "image_detail", image_detail, "low, high or auto")
        _check(image_format in ("png", "jpeg"), "image_format", image_format, "png or jpeg")
        self.model = model
        self.base_url = _address(base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL)
        self.concurrency = concurrency
        self.usage = Usage()
        self._api_key = _key(api_key, self.base_url)
        self._dialect = Dialect("max_tokens", top_logprobs if logprobs else None, temperature, seed)
        self._asked_dialect = self._dialect
        self._timeout_s, self._max_retries, self._first_wait_s = timeout_s, max_retries, first_wait_s
        self._image_detail, self._image_format = image_detail, image_format
        self._prices = Prices.of(prices, model) if isinstance(prices, Mapping) else prices
        self._progress = progress
        self._reached = False
        self._failed_in_a_row = 0
        self._noticed: set[str] = set()

    def identity(self) -> dict[str, Any]:
        """Everything that an answer depends on beside the request: what belongs into a cache key. No secret."""
        return {
            "engine": "openai",
            "form": 1,  # changes with the layout of the message
            "model": self.model,
            "base_url": self.base_url,
            "temperature": self._asked_dialect.temperature,
            "seed": self._asked_dialect.seed,
            "top_logprobs": self._asked_dialect.top_logprobs,
            "image_detail": self._image_detail,
            "image_format": f"jpeg {JPEG_QUALITY}" if self._image_format == "jpeg" else "png",
        }

    def cost(self) -> float | None:
        """Dollars spent since the engine was made; None when no price is known."""
        return None if self._prices is None else self.usage.cost_usd(self._prices)

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        """Ask all but those in ``known``, yield (index, response) as the answers come.

        Closing the iterator ends what is under way.

        A request that stays without an answer is yielded with ``unanswered`` saying why.

        Raises:
            StoppedRun: key, model, quota or address make every further request useless.
        """
        places = [index for index in range(len(requests)) if index not in known]
        asked = [requests[index] for index in places]
        answers: Iterator[tuple[int, Response]] = iterate(lambda put: self._ask_all(asked, put))
        for done, (at, response) in enumerate(answers, start=1):
            if self._progress is not None:
                self._progress(done, len(asked), self.cost())
            yield places[at], response

    async def _ask_all(self, requests: list[Request], put: Callable[[tuple[int, Response]], None]) -> None:
        pictures = Pictures(requests, self._image_format)
        waiting = iter(by_picture(requests))
        places = asyncio.Semaphore(self.concurrency)
        async with ChatServer(self.base_url, self._api_key, self._timeout_s, self.concurrency) as server:

            async def worker() -> None:
                for index in waiting:
                    put((index, await self._answer(server, places, requests[index], pictures)))

            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(2 * self.concurrency, len(requests))):
                        group.create_task(worker())
            except ExceptionGroup as raised:
                # Several workers meet the same refused key: one of them tells.
                raise raised.exceptions[0] from None

    async def _answer(
        self, server: ChatServer, places: asyncio.Semaphore, request: Request, pictures: Pictures
    ) -> Response:
        try:
            url = await pictures.url(request.image)
        except UnsendableImage as error:
            self.usage.failures["unsendable image"] += 1
            return Response("", request.choices, unanswered=str(error))
        finally:
            pictures.done(request.image)
        attempt = 0
        while True:
            attempt += 1
            try:
                async with places:
                    dialect = self._dialect
                    return await self._attempt(server, request, url, dialect)
            except Exception as error:
                if self._learn(error, dialect):
                    attempt -= 1
                    continue
                verdict = judge(error, self.model, self.base_url, self._reached)
                self._reached |= isinstance(error, StatusError)
                if verdict.action is Action.STOP:
                    raise StoppedRun(verdict.message) from error
                if verdict.action is Action.GIVE_UP or attempt > self._max_retries:
                    return self._given_up(request, verdict)
                self.usage.retries += 1
                await asyncio.sleep(wait_s(error, attempt, self._first_wait_s))

    async def _attempt(self, server: ChatServer, request: Request, url: str, dialect: Dialect) -> Response:
        # The picture goes first: the questions about it then share a prefix that servers cache.
        content = [
            {"type": "image_url", "image_url": {"url": url, "detail": self._image_detail}},
            {"type": "text", "text": request.text},
        ]
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            **dialect.parameters(request.max_new_tokens, scored=bool(request.choices)),
        }
        completion = await server.ask(body)
        response = read(completion, request.choices)
        self._reached, self._failed_in_a_row = True, 0
        assert isinstance(completion, dict)  # read would have raised
        self.usage.add(completion)
        if response.unanswered is not None:
            self.usage.failures[response.unanswered] += 1
        elif request.choices and dialect.top_logprobs is not None and first_token(completion) is None:
            self._notice("gives no log-probabilities: answers are read from the text, AUC will be empty")
        return response

    def _learn(self, error: Exception, used: Dialect) -> bool:
        """Whether to ask again at once because the server speaks another dialect than was used."""
        if not isinstance(error, StatusError):
            return False
        learned = used.after(error)
        if learned is None:
            return False
        # Requests sent before the first rejection come back rejected too; they only need the new dialect.
        if self._dialect == used:
            self._dialect = learned.dialect
            self._notice(learned.notice)
        return True

    def _given_up(self, request: Request, verdict: Verdict) -> Response:
        self.usage.failures[verdict.reason] += 1
        if verdict.reason == CONTENT_FILTER:
            return Response("", request.choices, unanswered=CONTENT_FILTER)
        # A refused request says that the server is there; only what was tried to the end counts.
        self._failed_in_a_row += verdict.action is Action.RETRY
        if self._failed_in_a_row >= FAILURES_IN_A_ROW:
            raise StoppedRun(
                f"the last {FAILURES_IN_A_ROW} requests to {self.base_url} all failed, the last one with: "
                f"{verdict.message}. See to the server and start again."
            )
        return Response("", request.choices, unanswered=f"request failed: {verdict.message}")

    def _notice(self, what: str) -> None:
        if what not in self._noticed:
            self._noticed.add(what)
            log.warning("%s at %s %s", self.model, self.base_url, what)


def _check(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {value!r}, expected {expected}")


def _key(api_key: str | None, base_url: str) -> str:
    key = api_key or os.environ.get("OPENAI_API_KEY")
    if key:
        return key
    if base_url == DEFAULT_BASE_URL:
        raise StoppedRun("no API key: set OPENAI_API_KEY, or give base_url for a server of your own")
    return "none"


def _address(base_url: str) -> str:
    """Checked, because it is printed and stored: a user name, password or query may hold a key."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError(
            f"base_url at host {parts.hostname!r} is no plain address, expected http(s)://host[:port]/v1; "
            "a key goes into api_key"
        )
    return base_url.rstrip("/")
