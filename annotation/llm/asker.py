"""Answers to requests, from the record of calls or else from the server, within a limit on money.

It stops cleanly and loses nothing that was paid.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from annotation.config import AnnotationConfig
from annotation.llm.budget import Budget
from annotation.llm.calls import CallRecord
from annotation.llm.outcome import Outcome
from annotation.llm.request import ModelRequest
from qreal_tasks.llm.arguments import DEFAULT_BASE_URL
from qreal_tasks.llm.cached_client import CachedClient
from qreal_tasks.llm.calls import Call
from qreal_tasks.llm.chat import ChatClient
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.options import RequestOptions
from qreal_tasks.llm.usage import Usage

_TOP_LOGPROBS = 20


def request_options(config: AnnotationConfig) -> RequestOptions:
    """The optional parameters that requests of this config carry."""
    model = config.language_model
    return RequestOptions("max_tokens", _TOP_LOGPROBS, model.temperature, model.seed, "json_schema")


class Asker:
    """What all stages of a program ask through: record of calls, budget and server.

    Only ``config.yaml`` says which server is asked: ``OPENAI_BASE_URL`` does not count, since the answers depend on it.
    What the record holds needs no key and opens no connection.

    When no further request can succeed or the budget is reached, ``stopped`` is set and every later request comes back
    as None; those under way end by themselves and are kept.
    """

    def __init__(self, config: AnnotationConfig, calls: CallRecord, budget: Budget, api_key: str | None = None) -> None:
        self.config, self.calls, self.budget, self._api_key = config, calls, budget, api_key
        self._client: ChatClient | None = None
        self.stopped: StoppedRun | None = None

    def client(self) -> ChatClient:
        """Made for the first request that the record does not answer."""
        if self._client is None:
            model = self.config.language_model
            self._client = ChatClient(
                model.model,
                base_url=model.base_url or DEFAULT_BASE_URL,
                api_key=self._api_key,
                options=request_options(self.config),
                concurrency=model.concurrency,
                timeout_s=model.timeout_s,
                max_retries=model.max_retries,
                first_wait_s=model.first_wait_s,
                prices=model.prices,
            )
        return self._client


class BudgetedClient(CachedClient[ModelRequest, Outcome]):
    """A ``CachedClient`` that sends nothing beyond the budget and nothing after a stop."""

    def __init__(self, asker: Asker) -> None:
        # As many as there are processors: more only take the interpreter from each other and from the event loop.
        self._pictures = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="pictures")
        advice = "under language_model into the run's config.yaml"
        super().__init__(asker.client, asker.calls, advice, self._pictures)
        self._asker, self._config, self._budget = asker, asker.config, asker.budget
        # Twice the calls at a time: while some wait for the server, the pictures of the next ones are encoded.
        self._room = asyncio.Semaphore(2 * asker.config.language_model.concurrency)
        self._settled = asyncio.Condition()
        self._short_of_money = False
        self.stopping = asyncio.Event()

    async def __aexit__(self, *raised: Any) -> None:
        await super().__aexit__(*raised)
        self._pictures.shutdown(wait=False, cancel_futures=True)

    async def answer_unless_stopped(
        self, request: ModelRequest, started: Callable[[], None] = lambda: None
    ) -> Outcome | None:
        """The answer; None when the run has stopped.

        Args:
            started: called when the request no longer waits for its turn.
        """
        async with self._room:
            started()
            try:
                return await self.answer(request)
            except StoppedRun:
                return None

    async def send(self, question: ModelRequest) -> Call[Outcome]:
        """Ask the server within the budget, and store what it answers.

        Raises:
            StoppedRun: the run has stopped, or the budget is reached.
        """
        # Longest possible answer: what is paid must stay below the limit.
        reserved_usd = self._budget.cost(question.most_tokens(self._config.expected.characters_a_token))
        await self._reserve(reserved_usd)
        cost_usd = 0.0
        try:
            call = await super().send(question)
            cost_usd = call.cost_usd or 0.0
            return call
        except StoppedRun as error:
            self.stop(error)  # before those who wait for money are told
            raise
        finally:
            self._budget.settle(reserved_usd, cost_usd)
            if self._short_of_money:
                async with self._settled:
                    self._settled.notify_all()

    def read_call(self, question: ModelRequest, completion: object, client: ChatClient) -> Call[Outcome]:
        """The call that brought a completion. Where the server counts no tokens, the limit on cost must hold all the
        same: the most that they can have been are taken."""
        call = super().read_call(question, completion, client)
        if client.prices is None or call.usage.prompt_tokens:
            return call
        most = question.most_tokens(self._config.expected.characters_a_token)
        usage = Usage(prompt_tokens=round(most.prompt), completion_tokens=round(most.completion))
        return replace(call, usage=usage, cost_usd=usage.cost_usd(client.prices))

    def stop(self, error: StoppedRun) -> None:
        """Ask nothing more; the first error is what the user is told."""
        self._asker.stopped = self._asker.stopped or error
        self.stopping.set()

    async def _reserve(self, reserved_usd: float) -> None:
        """Wait until the call is within the budget: most of those under way cost less than they might, and the run
        stops only when the next call does not fit beside what is really spent."""
        if self._asker.stopped is None and self._budget.reserve(reserved_usd):
            return
        self._short_of_money = True
        async with self._settled:
            while self._asker.stopped is None and not self._budget.reserve(reserved_usd):
                if not self._budget.calls_under_way:
                    self.stop(StoppedRun(self._budget.stop_message()))
                    break
                await self._settled.wait()
        if self._asker.stopped is not None:
            raise self._asker.stopped
