"""An event loop in a thread of its own, for callers in any number of other threads."""

from __future__ import annotations

import asyncio
import queue
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Self, TypeVar

Resource = TypeVar("Resource")
Item = TypeVar("Item")
_Started = tuple[asyncio.AbstractEventLoop, Resource, Callable[[], None]]


class EventLoopThread(Generic[Resource]):
    """A thread whose event loop holds ``opened()`` open until it is closed, collected or the program ends.

    One loop serves all callers: connections stay open from one call to the next, and what runs in it needs no locks.
    It is its own, so that callers may have a running loop themselves.
    """

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[Resource]], name: str) -> None:
        started: Future[_Started[Resource]] = Future()
        thread = threading.Thread(target=_run, args=(opened, started), name=name, daemon=True)
        thread.start()
        self._loop, self.resource, stop = started.result()
        # Not __del__: it may come too late for a daemon thread when the program ends.
        self._end = weakref.finalize(self, _stop, self._loop, stop, thread)

    def iterate(self, work: Callable[[Callable[[Item], None]], Coroutine[Any, Any, None]]) -> Iterator[Item]:
        """Run ``work(put)`` in the loop and yield what it puts, as it comes.

        Closing the iterator early cancels the work. What the work raises is raised here, after everything put before.
        """
        box: queue.SimpleQueue[tuple[Item] | None] = queue.SimpleQueue()
        done = asyncio.run_coroutine_threadsafe(work(lambda item: box.put((item,))), self._loop)
        done.add_done_callback(lambda _: box.put(None))
        try:
            while (item := box.get()) is not None:
                yield item[0]
            done.result()
        finally:
            done.cancel()

    def close(self) -> None:
        """End the loop and what is under way in it."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _run(opened: Callable[[], AbstractAsyncContextManager[Resource]], started: Future[_Started[Resource]]) -> None:
    async def main() -> None:
        stop = asyncio.Event()
        async with opened() as resource:
            started.set_result((asyncio.get_running_loop(), resource, stop.set))
            await stop.wait()
            # Ended while the connections are open: a request that met closed ones would complain.
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    try:
        asyncio.run(main())
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


def _stop(loop: asyncio.AbstractEventLoop, stop: Callable[[], None], thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(stop)
    if thread is not threading.current_thread():  # in which the last reference may have ended
        thread.join()
