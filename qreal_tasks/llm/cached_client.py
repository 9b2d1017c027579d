"""Answers from a calls table, else from the server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Generic, Protocol, Self, TypeVar

from qreal_tasks.llm.calls import Answer, Answer_co, Call, CallStore, KeyedQuestion
from qreal_tasks.llm.chat import ChatClient, ChatSession
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, RetryDecision
from qreal_tasks.llm.options import RequestOptions

Value = TypeVar("Value")


class ChatQuestion(KeyedQuestion[Answer_co], Protocol[Answer_co]):
    """A question that can be sent."""

    def messages(self) -> list[dict[str, Any]]:
        """Messages as the request holds them; may take time, when pictures are encoded."""

    def body(self, messages: list[dict[str, Any]], options: RequestOptions) -> Mapping[str, Any]:
        """The request with the optional parameters that the server is believed to take."""


Sent = TypeVar("Sent", bound=ChatQuestion[Any])


class CachedClient(Generic[Sent, Answer]):
    """Asks no question whose answer the store has, and sends one that is asked twice at once only once.

    To be used in an ``async with`` block of one event loop. Connections are opened for the first question that has to
    be sent.

    Args:
        client: called for the first question that has to be sent.
        advice: where the user can leave out a setting that an answer is stored under and the server rejects.
        encoders: run ``ChatQuestion.messages`` where that takes time.
    """

    def __init__(
        self,
        client: Callable[[], ChatClient],
        store: CallStore[Sent, Answer],
        advice: str,
        encoders: Executor | None = None,
    ) -> None:
        self._client, self._store, self._advice, self._encoders = client, store, advice, encoders
        self._stack, self._opening = AsyncExitStack(), asyncio.Lock()
        self._session: ChatSession | None = None
        self.in_flight: InFlight[Answer] = InFlight()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def answer_all(self, questions: Sequence[Sent], put: Callable[[tuple[Sent, Answer]], None]) -> None:
        """``put((question, answer))`` for every question, as the answers come.

        Raises:
            StoppedRun: no further request can succeed.
        """
        session = await self._opened()
        await session.each(questions, self.answer, put)

    async def answer(self, question: Sent) -> Answer:
        """The answer that is stored, is under way or now comes; where there is none, what the question puts for it.

        Raises:
            StoppedRun: no further request can succeed.
        """

        async def find_or_send() -> Answer:
            stored = self._store.find(question.key)  # another thread or program may have been quicker
            return stored if stored is not None else (await self.send(question)).answer

        return await self.in_flight.join(question.key, find_or_send)

    async def send(self, question: Sent) -> Call[Answer]:
        """Ask the server, and store what it answers; a request that failed brought nothing to store."""
        session = await self._opened()
        if self._encoders is None:
            messages = question.messages()
        else:
            messages = await asyncio.get_running_loop().run_in_executor(self._encoders, question.messages)

        def body(options: RequestOptions) -> Mapping[str, Any]:
            session.client.asked_options.check_kept(options, session.client.model, self._advice)
            return question.body(messages, options)

        call = await session.ask(body, lambda completion: self.read_call(question, completion, session.client))
        if isinstance(call, RetryDecision):
            filtered = call.reason == CONTENT_FILTER
            call = Call(question.give_up(call), cost_usd=None if session.client.prices is None else 0.0)
            if not filtered:
                return call
        return replace(call, answer=self._store.put(question, call))

    def read_call(self, question: Sent, completion: object, client: ChatClient) -> Call[Answer]:
        """The call that brought a completion; raises what ``KeyedQuestion.read`` does."""
        return Call.of(question, completion, client.prices)

    async def _opened(self) -> ChatSession:
        async with self._opening:
            if self._session is None:
                self._session = await self._stack.enter_async_context(self._client().open())
        return self._session


class InFlight(Generic[Value]):
    """Work under way by key, for any number of callers of one event loop; it ends with the last one who waits."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Value]] = {}
        self.waiting: Counter[str] = Counter()
        """Callers."""

    async def join(self, key: str, start: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """What the work under ``key`` comes to, started when there is none."""
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(start())
        task = self._tasks[key]
        self.waiting[key] += 1
        try:
            await asyncio.wait([task])  # which leaves the task alone when this caller is cancelled
            return task.result()
        finally:
            self.waiting[key] -= 1
            if not self.waiting[key]:
                del self._tasks[key], self.waiting[key]
                if task.done() and not task.cancelled():
                    task.exception()  # looked at, or asyncio complains about errors that nobody waited for
                task.cancel()
