"""Runs a language-model stage over shards: calls of several shards at a time, each shard written when it is complete.

It runs in the program that was started, whatever the executor: one place keeps the limits on calls and money, and a
language model is waited for, not computed. One program makes some hundred calls a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from annotation.llm.asker import Asker, BudgetedClient
from annotation.llm.outcome import Outcome
from annotation.llm.tasks import Row, Task
from annotation.run.folder import RunFolder
from annotation.trial import Trial

GRACE_S = 20.0
"""How long calls under way may take to end when the run stops: their answers are paid for."""

MOST_OPEN_SHARDS = 16
"""Their pictures are in memory."""

Plan = Callable[[RunFolder, int], list[Task]]
"""The tasks of a shard."""


class Pipeline:
    """One stage over shards.

    Args:
        trial: decides whether the stage gets anywhere.
        on_item: told of every item that has its row, and whether it was asked now.
        on_shard: told of every shard that was written, and how many of its items were asked now.
        known: outcomes that are not in the record, by key: what a batch brought and nobody keeps.
        ask: False for a stage whose answers a batch has brought: what is then missing stays pending.
    """

    def __init__(
        self,
        run: RunFolder,
        asker: Asker,
        plan: Plan,
        stage: str,
        trial: Trial,
        on_item: Callable[[bool], None],
        on_shard: Callable[[int, int], None],
        known: dict[str, Outcome] | None = None,
        ask: bool = True,
    ) -> None:
        self._run, self._asker, self._plan, self._stage, self._trial = run, asker, plan, stage, trial
        self._on_item, self._on_shard = on_item, on_shard
        self._known, self._ask = known or {}, ask
        self._held: list[_Made] = []
        self.left_pending = 0
        """Requests without an answer."""

    def over(self, shards: Sequence[int]) -> None:
        """Write what can be completed of ``shards``.

        Raises:
            StoppedRun: no further request can succeed, none did, or the budget is reached; the message says what to
                do.
        """
        asyncio.run(self._over(shards))
        if self._asker.stopped is not None:
            raise self._asker.stopped

    async def _over(self, shards: Sequence[int]) -> None:
        async with self._asker.open() as client:
            feeding = asyncio.create_task(self._feed(client, shards))
            stopping = asyncio.create_task(client.stopping.wait())
            try:
                await asyncio.wait({feeding, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not feeding.done():
                    await asyncio.wait({feeding}, timeout=GRACE_S)
                if feeding.done():
                    feeding.result()
            except ExceptionGroup as raised:
                raise raised.exceptions[0] from None
            finally:
                for task in (feeding, stopping):
                    task.cancel()
                await asyncio.gather(feeding, stopping, return_exceptions=True)

    async def _feed(self, client: BudgetedClient, shards: Sequence[int]) -> None:
        """Take up the next shard whenever the requests that wait for their turn run out. How many shards are open
        follows from that: the last calls of a shard, which may wait to be repeated, keep no other shard waiting. Before
        an item has come through, only one is open."""
        queue = _Queue(2 * self._run.config.language_model.concurrency)
        room = asyncio.Semaphore(MOST_OPEN_SHARDS)
        async with asyncio.TaskGroup() as group:
            for shard in shards:
                await room.acquire()
                await queue.short.wait()
                if self._asker.stopped is not None:
                    break
                tasks, kept = await asyncio.to_thread(self._planned, shard)
                if self._ask:
                    queue.add(sum(task.request is not None and task.request.key not in kept for task in tasks))
                written = group.create_task(self._shard(client, shard, tasks, kept, queue))
                written.add_done_callback(lambda _: room.release())
                await _either(written, self._trial.proved)
        if self._asker.stopped is None and not self.left_pending:
            self._trial.end([row for made in self._held for row in made.rows])
            self._stop_if_useless(client)
        if self._trial.proved.is_set() or self._asker.stopped is None:
            await self._write_held()

    async def _shard(
        self, client: BudgetedClient, shard: int, tasks: list[Task], kept: dict[str, Outcome], queue: _Queue
    ) -> None:
        asked = 0

        async def row(task: Task) -> Row | None:
            nonlocal asked
            if task.request is None:
                self._on_item(False)
                return task.row(None)
            key = task.request.key
            found = kept.get(key)
            if found is None and self._ask:
                found = await client.answer_unless_stopped(task.request, queue.take)
            if found is None:
                self.left_pending += 1
                return None
            made = task.row(found)
            anew = key not in kept or key in self._known
            asked += anew
            self._trial.item(made, anew)
            self._stop_if_useless(client)
            self._on_item(anew and self._ask)
            return made

        found = await asyncio.gather(*map(row, tasks))
        rows = [made for made in found if made is not None]
        if len(rows) < len(tasks):
            return
        self._trial.shard_over()
        self._stop_if_useless(client)
        made = _Made(shard, rows, asked)
        if self._trial.proved.is_set():
            await self._write_held()
        elif asked:
            self._held.append(made)
            return
        await self._write(made)

    async def _write_held(self) -> None:
        held, self._held = self._held, []
        for made in held:
            await self._write(made)

    async def _write(self, made: _Made) -> None:
        await asyncio.to_thread(self._run.write, self._stage, made.shard, made.rows)
        self._trial.wrote(made.shard)
        self._on_shard(made.shard, made.asked)

    def _stop_if_useless(self, client: BudgetedClient) -> None:
        if self._trial.stop is not None:
            client.stop(self._trial.stop)

    def _planned(self, shard: int) -> tuple[list[Task], dict[str, Outcome]]:
        """The tasks of a shard, and the outcomes that need no call."""
        tasks = self._plan(self._run, shard)
        keys = [task.request.key for task in tasks if task.request is not None]
        known = {key: self._known[key] for key in keys if key in self._known}
        return tasks, known | self._asker.kept(keys)


@dataclass(frozen=True)
class _Made:
    """A shard that has all its rows."""

    shard: int
    rows: list[Row]
    asked: int


async def _either(task: asyncio.Task[None], event: asyncio.Event) -> None:
    """Until the task has ended or the event is set."""
    if event.is_set():
        return
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


class _Queue:
    """Counts the requests that wait for their turn."""

    def __init__(self, short_below: int) -> None:
        self._waiting, self._short_below = 0, short_below
        self.short = asyncio.Event()
        """Set while there are few."""
        self.short.set()

    def add(self, count: int) -> None:
        self._waiting += count
        if self._waiting >= self._short_below:
            self.short.clear()

    def take(self) -> None:
        """One has its turn."""
        self._waiting -= 1
        if self._waiting < self._short_below:
            self.short.set()
