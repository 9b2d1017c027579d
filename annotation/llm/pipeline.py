"""Runs a language-model stage over shards: calls of several shards at a time, each shard written when it is complete.

It runs in the program that was started, whatever the executor: one place keeps the limits on calls and money, and a
language model is waited for, not computed. One program makes some hundred calls a second.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence

from annotation.llm.asker import Asker, OpenAsker
from annotation.llm.outcome import Outcome
from annotation.llm.tasks import Row, Task
from annotation.run_folder import RunFolder

GRACE_S = 20.0
"""How long calls under way may take to end when the run stops: their answers are paid for."""

Plan = Callable[[RunFolder, int], list[Task]]
"""The tasks of a shard."""


class Pipeline:
    """One stage over shards.

    Args:
        on_shard: told of every shard that was written.
        known: outcomes that are not in the record, by key: what a batch brought and nobody keeps.
        ask: False for a stage whose answers a batch has brought: what is then missing stays pending.
    """

    def __init__(
        self,
        run: RunFolder,
        asker: Asker,
        plan: Plan,
        stage: str,
        on_shard: Callable[[int], None],
        known: dict[str, Outcome] | None = None,
        ask: bool = True,
    ) -> None:
        self._run, self._asker, self._plan, self._stage, self._on_shard = run, asker, plan, stage, on_shard
        self._known, self._ask = known or {}, ask
        self.left_pending = 0
        """Shards that lack an answer."""

    def over(self, shards: Sequence[int]) -> None:
        """Write what can be completed of ``shards``.

        Raises:
            StoppedRun: no further request can succeed, or the budget is reached; the message says what to do.
        """
        asyncio.run(self._over(iter(shards), len(shards)))
        if self._asker.stopped is not None:
            raise self._asker.stopped

    async def _over(self, waiting: Iterator[int], total: int) -> None:
        config = self._run.config
        # Enough shards for all calls; the last calls of one do not keep the next one waiting.
        at_once = 2 + math.ceil(2 * config.language_model.concurrency / config.images_per_shard)
        async with self._asker.open() as asker:

            async def worker() -> None:
                for shard in waiting:
                    if self._asker.stopped is not None:
                        return
                    await self._shard(asker, shard)

            workers = [asyncio.create_task(worker()) for _ in range(min(at_once, total))]
            stopping = asyncio.create_task(asker.stopping.wait())
            try:
                await _until_done_or(stopping, workers)
            finally:
                for task in (*workers, stopping):
                    task.cancel()
                await asyncio.gather(*workers, stopping, return_exceptions=True)

    async def _shard(self, asker: OpenAsker, shard: int) -> None:
        tasks = await asyncio.to_thread(self._plan, self._run, shard)
        found = await asyncio.gather(*(self._outcome(asker, task) for task in tasks))
        if any(task.request is not None and outcome is None for task, outcome in zip(tasks, found, strict=True)):
            self.left_pending += 1
            return
        rows: list[Row] = [task.row(outcome) for task, outcome in zip(tasks, found, strict=True)]
        await asyncio.to_thread(self._run.write, self._stage, shard, rows)
        self._on_shard(shard)

    async def _outcome(self, asker: OpenAsker, task: Task) -> Outcome | None:
        if task.request is None:
            return None
        known = self._known.get(task.request.key(self._run.config.language_model)) if self._known else None
        if known is not None:
            return known
        return await (asker.answer(task.request) if self._ask else asker.kept(task.request))


async def _until_done_or(stopping: asyncio.Task[bool], workers: Sequence[asyncio.Task[None]]) -> None:
    """Until every worker has ended, or some time after the run was told to stop.

    Raises:
        Exception: the first that a worker raised, at once.
    """
    open_ones = set(workers)
    while open_ones:
        done, _ = await asyncio.wait({*open_ones, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stopping in done:
            done, _ = await asyncio.wait(open_ones, timeout=GRACE_S)
            open_ones = set()
        for worker in done - {stopping}:
            worker.result()
        open_ones -= done
