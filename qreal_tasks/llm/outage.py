"""Waiting for a server that answered and then is gone: one request asks after it, all others wait for that one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from qreal_tasks.llm.errors.retry import StoppedRun

OUTAGE_S = 900.0
"""Starting a server with a model of 7 billion weights takes minutes."""
_SAY_EVERY_S = 60.0
_LONGEST_PAUSE_S = 10.0

log = logging.getLogger(__name__)


class Outage:
    """The one outage of a server that all its requests wait for, whoever meets it first; of one event loop.

    Args:
        is_there: asks the server once.
        first_pause_s: between the first two times of asking; twice as long before each next one, ten seconds at most.
        most_s: how long the server is waited for.
    """

    def __init__(
        self, is_there: Callable[[], Awaitable[bool]], base_url: str, first_pause_s: float, most_s: float
    ) -> None:
        self._is_there, self._base_url = is_there, base_url
        self._first_pause_s, self._most_s = first_pause_s, most_s
        self._task: asyncio.Task[None] | None = None
        self.count = 0
        """Outages so far."""

    async def wait_until_over(self) -> None:
        """Return at once when there is no outage, else when it is over.

        Raises:
            StoppedRun: it does not end.
        """
        if self._task is not None:
            await asyncio.shield(self._task)

    async def investigate(self, sign: str) -> None:
        """Ask the server whether it is there, and return when it is.

        Args:
            sign: how it showed that it may be gone, for the user.

        Raises:
            StoppedRun: it does not come back.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._watch(sign))
            self._task.add_done_callback(self._ended)
        await asyncio.shield(self._task)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._task = None

    async def _watch(self, sign: str) -> None:
        loop = asyncio.get_running_loop()
        began, told, pause_s = loop.time(), 0, max(self._first_pause_s, 0.01)
        while not await self._is_there():
            self.count += told == 0
            gone_s = loop.time() - began
            if gone_s >= self._most_s:
                raise StoppedRun(
                    f"{self._base_url} answered before and has been gone for {_spoken(gone_s)} ({sign}). Start the "
                    "server and run the same command again: what was answered is stored and not asked again."
                )
            if gone_s >= told * _SAY_EVERY_S:
                told += 1
                left = _spoken(self._most_s - gone_s)
                log.warning("%s is gone (%s): waiting for it, %s more at most", self._base_url, sign, left)
            await asyncio.sleep(min(pause_s, self._most_s - gone_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        if told:
            log.warning("%s is back after %s", self._base_url, _spoken(loop.time() - began))


def _spoken(seconds: float) -> str:
    """
    >>> _spoken(42.4), _spoken(900)
    ('42 s', '15 min')
    """
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
