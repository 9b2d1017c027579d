"""Many requests at a time to one OpenAI-compatible chat server, each repeated until it is answered or given up.

What is asked and how an answer is read belongs to the caller: questions about pictures (``models/server``), pairs of
descriptions (``qreal_tasks/judge``) or the items of an annotation run (``annotation/llm``).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from qreal_tasks.llm.arguments import DEFAULT_BASE_URL, api_key_for, check, is_number, is_whole, plain_address
from qreal_tasks.llm.completions import choice_in
from qreal_tasks.llm.errors.messages import StatusError
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, Action, RetryDecision, StoppedRun, classify_error
from qreal_tasks.llm.errors.waits import wait_s
from qreal_tasks.llm.event_loop import EventLoopThread
from qreal_tasks.llm.http import ChatServer
from qreal_tasks.llm.options import RequestOptions
from qreal_tasks.llm.outage import OUTAGE_S, Outage
from qreal_tasks.llm.usage import Prices, Usage

FAILURES_IN_A_ROW = 50
"""Requests given up one after the other, none answered between them, before the run stops: the server is gone."""

_PROBE_S = 30.0
"""For a request that only asks whether the server is there."""
_BUSY_STEPS = 5
"""Waits grow so often while the server answers others: 8 s by default, or the last ones wait long after it is free."""

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
Outcome = TypeVar("Outcome")
Item = TypeVar("Item")


@dataclass
class ServerState:
    """What the requests so far have shown of a server."""

    options: RequestOptions
    reached: bool = False
    """It has sent something, if only an error."""
    answers: int = 0
    failed_in_a_row: int = 0
    answered_body: Mapping[str, Any] | None = None
    """The last request that was answered: asked again, it tells whether the server is there."""


class ChatClient:
    """A client of one model at one server; asks ``concurrency`` requests at a time.

    Twice as many are under way: while some wait to be repeated, others take their places, and what the next ones need
    is prepared. When all of them wait, nothing new is asked, so a server that refuses is not flooded.

    Args:
        base_url: of the server, with ``/v1``; default ``OPENAI_BASE_URL``, then OpenAI itself.
        api_key: default ``OPENAI_API_KEY``; a server of one's own (``base_url``) needs none.
        options: the optional parameters that requests carry, until the server rejects one.
        timeout_s: of one attempt.
        max_retries: of one request, after time-outs, lost connections, malformed answers, 408, 409, 429 and 5xx. A
            429 does not count while the server answers other requests.
        first_wait_s: before the first retry; three times as long before each next one, a minute at most, and never
            shorter than the server asks for.
        prices: of the model.
        outage_s: how long a server is waited for that has answered and then is gone; no retries are spent meanwhile.

    Raises:
        StoppedRun: there is no key and OpenAI itself is asked.
        ValueError: an argument is out of range or of another type.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        api_key: str | None,
        options: RequestOptions,
        concurrency: int,
        timeout_s: float,
        max_retries: int,
        first_wait_s: float,
        prices: Prices | None,
        outage_s: float = OUTAGE_S,
    ) -> None:
        check(is_whole(concurrency) and concurrency >= 1, "concurrency", concurrency, "a whole number of 1 or more")
        check(is_whole(max_retries) and max_retries >= 0, "max_retries", max_retries, "a whole number of 0 or more")
        check(is_number(timeout_s) and timeout_s > 0, "timeout_s", timeout_s, "a number of more than 0")
        check(is_number(first_wait_s) and first_wait_s >= 0, "first_wait_s", first_wait_s, "a number of 0 or more")
        check(is_number(outage_s) and outage_s >= 0, "outage_s", outage_s, "a number of 0 or more")
        self.model = model
        self.base_url = plain_address(base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL)
        self.concurrency = concurrency
        self.usage = Usage()
        self.asked_options = options
        """What was asked for, whatever the server then turned out to take."""
        self.state = ServerState(options)
        self.max_retries, self.first_wait_s, self.outage_s = max_retries, first_wait_s, outage_s
        self._api_key = api_key_for(api_key, self.base_url)
        self.prices = prices
        self._timeout_s = timeout_s
        self._noticed: set[str] = set()

    def cost(self) -> float | None:
        """Dollars spent since the client was made; None when no price is known."""
        return None if self.prices is None else self.usage.cost_usd(self.prices)

    def run(
        self, order: Sequence[int], answer: Callable[[ChatSession, int], Awaitable[Outcome]]
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield ``(index, await answer(session, index))`` for every index, as they come.

        Closing the iterator ends what is under way.

        Raises:
            StoppedRun: key, model, quota or address make every further request useless.
        """
        with EventLoopThread(self.open, "requests") as thread:
            session = thread.resource

            async def work(put: Callable[[tuple[int, Outcome]], None]) -> None:
                await session.each(order, lambda index: answer(session, index), put)

            yield from thread.iterate(work)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ChatSession]:
        """Connections for as long as the block lasts, to be used in one event loop."""
        async with ChatServer(self.base_url, self._api_key, self._timeout_s, self.concurrency) as server:
            yield ChatSession(self, server)

    def notice(self, what: str, once: str | None = None) -> None:
        """Tell the user once what this server does; ``once`` names what differs in its details only."""
        if (once or what) not in self._noticed:
            self._noticed.add(once or what)
            log.warning("%s at %s %s", self.model, self.base_url, what)

    def learn(self, error: Exception, used: RequestOptions) -> bool:
        """Whether to ask again at once because the server takes other options than were used."""
        if not isinstance(error, StatusError):
            return False
        learned = used.without_rejected(error)
        if learned is None:
            return False
        # Requests sent before the first rejection come back rejected too; they only need the new ones.
        if self.state.options == used:
            self.state.options = learned.options
            self.notice(learned.notice)
        return True

    def given_up(self, decision: RetryDecision) -> RetryDecision:
        """Count a request without an answer.

        Raises:
            StoppedRun: none of the last ones had any.
        """
        self.usage.failures[decision.reason] += 1
        # A refused request says that the server is there. It counts only while none was ever answered: what is
        # refused is then the form that all requests have, and not this one.
        form_refused = decision.reason != CONTENT_FILTER and not self.state.answers
        self.state.failed_in_a_row += decision.action is Action.RETRY or form_refused
        if self.state.failed_in_a_row >= FAILURES_IN_A_ROW:
            raise StoppedRun(
                f"the last {FAILURES_IN_A_ROW} requests to {self.base_url} all failed, the last one with: "
                f"{decision.message}. See to the server and start again."
            )
        return decision


class ChatSession:
    """Open connections to a server; the client's ``concurrency`` bounds all requests together."""

    def __init__(self, client: ChatClient, server: ChatServer) -> None:
        self.server, self.alone = server, asyncio.Lock()
        self.client = client
        self._places = asyncio.Semaphore(client.concurrency)
        self._outage = Outage(self._is_there, client.base_url, client.first_wait_s, client.outage_s)

    async def each(
        self,
        items: Sequence[Item],
        answer: Callable[[Item], Awaitable[Outcome]],
        put: Callable[[tuple[Item, Outcome]], None],
    ) -> None:
        """``put((item, await answer(item)))`` for every item, as they come.

        Raises:
            StoppedRun: no further request can succeed.
        """
        waiting = iter(items)

        async def worker() -> None:
            for item in waiting:
                put((item, await answer(item)))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(2 * self.client.concurrency, len(items))):
                    group.create_task(worker())
        except ExceptionGroup as raised:
            # Several workers meet the same refused key: one of them tells.
            raise raised.exceptions[0] from None

    async def ask(
        self, body: Callable[[RequestOptions], Mapping[str, Any]], read: Callable[[object], Answer]
    ) -> Answer | RetryDecision:
        """The answer, or why the request was given up.

        Args:
            body: the request with the options that the server is believed to take.
            read: the answer from the JSON value that the server sent; may raise ``MalformedAnswer``.

        Raises:
            StoppedRun: no further request can succeed.
        """
        client, state = self.client, self.client.state
        attempt, failures, answers = 0, 0, state.answers
        while True:
            attempt += 1
            options, outages = state.options, self._outage.count
            try:
                await self._outage.over()
                outages = self._outage.count
                async with self._places:
                    options = state.options  # it may have changed while this one waited
                    sent = body(options)
                    return self._read(sent, await self.server.ask(sent), read)
            except StoppedRun:
                raise
            except Exception as error:
                if client.learn(error, options):
                    attempt -= 1
                    continue
                decision = classify_error(error, client.model, client.base_url, state.reached)
                state.reached |= isinstance(error, StatusError)
                if decision.action is Action.STOP:
                    raise StoppedRun(decision.message) from error
                # A limit on requests per minute is no failure: whoever waits has a turn as long as others have theirs.
                failures += not (decision.busy and state.answers > answers)
                answers = state.answers
                pause_s = wait_s(error, max(failures, min(attempt, _BUSY_STEPS)), client.first_wait_s)
                may_be_gone = decision.gone and answers > 0
                if may_be_gone:
                    await asyncio.sleep(pause_s)
                    if state.answers == answers:
                        await self._outage.look(decision.message)
                    if self._outage.count > outages:
                        attempt, failures = attempt - 1, failures - 1  # the server's failure and not this request's
                        continue
                if decision.action is Action.GIVE_UP or failures > client.max_retries:
                    return client.given_up(decision)
                client.usage.retries += 1
                if not may_be_gone:
                    await asyncio.sleep(pause_s)

    async def _is_there(self) -> bool:
        """Whether the server answers, with whatever, what it has answered before."""
        client, state = self.client, self.client.state
        assert state.answered_body is not None  # nobody is waited for who never answered
        try:
            completion = await self.server.ask(state.answered_body, _PROBE_S)
            choice_in(completion)
        except Exception as error:
            return not classify_error(error, client.model, client.base_url, True).gone
        assert isinstance(completion, dict)  # it has a choice
        client.usage.add(completion)
        return True

    def _read(self, sent: Mapping[str, Any], completion: object, read: Callable[[object], Answer]) -> Answer:
        answer, state = read(completion), self.client.state
        state.reached, state.failed_in_a_row, state.answered_body = True, 0, sent
        state.answers += 1
        assert isinstance(completion, dict)  # read would have raised
        self.client.usage.add(completion)
        return answer
