"""Answers requests from the record of calls, else from the server; stops cleanly and loses nothing that was paid."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

from annotation.config import AnnotationConfig
from annotation.llm.budget import Budget
from annotation.llm.calls import CallRecord
from annotation.llm.outcome import Outcome, given_up, outcome_of
from annotation.llm.request import Request
from annotation.run.schemas import State
from qreal_tasks.llm.chat import DEFAULT_BASE_URL, Asking, ChatClient
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, StoppedRun, Verdict
from qreal_tasks.llm.options import Dialect
from qreal_tasks.llm.usage import Usage

DIALECT_LOGPROBS = 20


def dialect_of(config: AnnotationConfig) -> Dialect:
    """The optional parameters that requests of this config carry."""
    model = config.language_model
    return Dialect("max_tokens", DIALECT_LOGPROBS, model.temperature, model.seed, "json_schema")


def check_dialect(config: AnnotationConfig, dialect: Dialect) -> None:
    """An answer is kept under its temperature and seed: they are sent, or the run stops.

    Raises:
        StoppedRun: the server has rejected one.
    """
    for name in ("temperature", "seed"):
        if getattr(dialect, name) != getattr(config.language_model, name):
            raise StoppedRun(
                f"{config.language_model.model} rejects `{name}`; write `{name}: null` under language_model into the "
                "run's config.yaml"
            )


class Asker:
    """One for a program. Only ``config.yaml`` says which server is asked: ``OPENAI_BASE_URL`` does not count, since the
    answers depend on it. What the record holds needs no key and opens no connection.

    When no further request can succeed or the budget is reached, ``stopped`` is set and every later request comes back
    as None; those under way end by themselves and are kept.
    """

    def __init__(self, config: AnnotationConfig, calls: CallRecord, budget: Budget, api_key: str | None = None) -> None:
        self._config, self._calls, self._budget, self._api_key = config, calls, budget, api_key
        self._client: ChatClient | None = None
        self.stopped: StoppedRun | None = None

    def kept(self, keys: Iterable[str]) -> dict[str, Outcome]:
        """The answers that the record holds."""
        return self._calls.get_many(keys)

    def open(self) -> OpenAsker:
        """For one event loop; to be used in an ``async with`` block."""
        return OpenAsker(self)

    def client(self) -> ChatClient:
        """Made for the first request that the record does not answer."""
        if self._client is None:
            model = self._config.language_model
            self._client = ChatClient(
                model.model,
                base_url=model.base_url or DEFAULT_BASE_URL,
                api_key=self._api_key,
                dialect=dialect_of(self._config),
                concurrency=model.concurrency,
                timeout_s=model.timeout_s,
                max_retries=model.max_retries,
                first_wait_s=model.first_wait_s,
                prices=model.prices,
            )
        return self._client


class OpenAsker:
    """Connections of an ``Asker``, opened when the first request needs them."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._config, self._calls, self._budget = asker._config, asker._calls, asker._budget
        concurrency = self._config.language_model.concurrency
        # Twice the calls at a time: while some wait for the server, the pictures of the next ones are encoded.
        self._room = asyncio.Semaphore(2 * concurrency)
        self._opening = asyncio.Lock()
        self._settled = asyncio.Condition()
        self._short_of_money = False
        # As many as there are processors: more only take the interpreter from each other and from the event loop.
        self._encoders = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="pictures")
        self._asking: Asking | None = None
        self._under_way: dict[str, asyncio.Task[Outcome | None]] = {}
        self._stack = AsyncExitStack()
        self.stopping = asyncio.Event()

    async def __aenter__(self) -> OpenAsker:
        return self

    async def __aexit__(self, *said: Any) -> None:
        await self._stack.aclose()
        self._encoders.shutdown(wait=False, cancel_futures=True)

    async def answer(self, request: Request, started: Callable[[], None]) -> Outcome | None:
        """The answer to a request that the record lacks; None when the run has stopped. Equal ones are asked once.

        Args:
            started: called when the request no longer waits for its turn.
        """
        if request.pictures:  # no two of these are alike
            return await self._answer(request, started)
        key = request.key
        if key in self._under_way:
            started()
        else:
            task = asyncio.create_task(self._answer(request, started))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
            self._under_way[key] = task
        return await asyncio.shield(self._under_way[key])

    async def _answer(self, request: Request, started: Callable[[], None]) -> Outcome | None:
        async with self._room:
            started()
            # An equal text may have been answered meanwhile.
            stored = {} if request.pictures else self._calls.get_many([request.key])
            if stored:
                return stored[request.key]
            if self._asker.stopped is not None:
                return None
            # Longest possible answer: what is paid must stay below the limit.
            characters = self._config.expected.characters_a_token
            reserved = self._budget.cost(request.estimate(characters, request.form.max_tokens))
            if not self._budget.reserve(reserved) and not await self._fits(reserved):
                return None
            cost = 0.0
            try:
                outcome, cost = await self._ask(request)
            except StoppedRun as error:
                self.stop(error)
                return None
            finally:
                self._budget.settle(reserved, cost)
                if self._short_of_money:
                    async with self._settled:
                        self._settled.notify_all()
            return outcome

    async def _fits(self, reserved_usd: float) -> bool:
        """Whether the call comes to be within the budget. It waits for those under way: most cost less than they might,
        and the run stops only when the next call does not fit beside what is really spent."""
        self._short_of_money = True
        async with self._settled:
            while self._asker.stopped is None and not self._budget.reserve(reserved_usd):
                if not self._budget.calls_under_way:
                    self.stop(StoppedRun(self._budget.stop_message()))
                    return False
                await self._settled.wait()
            return self._asker.stopped is None

    async def _ask(self, request: Request) -> tuple[Outcome, float]:
        asking = await self._opened()
        messages = await asyncio.get_running_loop().run_in_executor(self._encoders, request.messages)
        usage = Usage()

        def body(dialect: Dialect) -> dict[str, Any]:
            check_dialect(self._config, dialect)
            return request.body(messages, dialect)

        def read(completion: object, _: Dialect) -> Outcome:
            found = outcome_of(completion, request.form)
            assert isinstance(completion, dict)  # outcome_of would have raised
            usage.add(completion)
            if prices is not None and not usage.prompt_tokens:
                # The server does not count. A limit on cost must hold all the same: the most that it can have been.
                most = request.estimate(self._config.expected.characters_a_token, request.form.max_tokens)
                usage.prompt_tokens, usage.completion_tokens = round(most.prompt), round(most.completion)
            self._calls.put(request.key, request.form.stage, request.item_id, found, usage, prices)
            return found

        prices = self._config.language_model.prices
        said = await asking.ask(body, read)
        if isinstance(said, Verdict):
            if said.reason != CONTENT_FILTER:
                return given_up(said), 0.0
            filtered = Outcome(State.FILTERED, CONTENT_FILTER)
            self._calls.put(request.key, request.form.stage, request.item_id, filtered, usage, prices)
            return filtered, 0.0
        return said, 0.0 if prices is None else usage.cost_usd(prices)

    async def _opened(self) -> Asking:
        async with self._opening:
            if self._asking is None:
                self._asking = await self._stack.enter_async_context(self._asker.client().open())
        return self._asking

    def stop(self, error: StoppedRun) -> None:
        """Ask nothing more; the first error is what the user is told."""
        self._asker.stopped = self._asker.stopped or error
        self.stopping.set()
