"""Asynchronous work behind a plain iterator."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")


class _End:
    """Follows the last item; carries what the work raised."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def iterate(work: Callable[[Callable[[Item], None]], Coroutine[Any, Any, None]]) -> Iterator[Item]:
    """Run ``work(put)`` on an event loop in a thread of its own and yield what it puts, as it comes.

    The loop is its own so that the iterator works in any thread, also in one whose loop is running. Closing the
    iterator early cancels the work. What the work raises is raised here, after everything put before it.
    """
    box: queue.SimpleQueue[Item | _End] = queue.SimpleQueue()
    cancel: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    async def main() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        cancel.put(lambda: loop.call_soon_threadsafe(task.cancel))
        await work(box.put)

    def run() -> None:
        error: BaseException | None = None
        try:
            asyncio.run(main())
        except BaseException as raised:
            error = raised
        box.put(_End(error))

    thread = threading.Thread(target=run, name="requests", daemon=True)
    thread.start()
    try:
        while not isinstance(item := box.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the work has ended by itself
            cancel.get()()
        thread.join()
