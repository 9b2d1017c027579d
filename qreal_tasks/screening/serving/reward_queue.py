"""Pictures of many requests, judged in batches by one thread that alone uses the model."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from qreal_tasks.screening.reward.image_reward import ImageReward

if TYPE_CHECKING:
    from PIL import Image

Judge = Callable[[Sequence["Image.Image"]], Sequence[ImageReward]]
"""A reward of a batch of pictures."""
Observe = Callable[[int, float], None]
"""Takes the number of pictures of a batch and the seconds that it took."""
Waiting = tuple["Image.Image", "Future[ImageReward]"]

logger = logging.getLogger(__name__)


class FullQueueError(RuntimeError):
    """As many pictures wait as may; ``retry_after_s`` says when there should be room."""

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        super().__init__(f"{waiting} images wait already")
        self.retry_after_s = retry_after_s


class RewardQueue:
    """A queue of pictures and the thread that judges them.

    Args:
        judge: called by the thread with at most ``batch`` pictures.
        batch: pictures that are judged together.
        wait_s: for which the first picture of a batch waits for others, while the model has nothing else to do.
        most: pictures that may wait.
        observe: called by the thread after each batch.
    """

    def __init__(
        self, judge: Judge, *, batch: int = 16, wait_s: float = 0.01, most: int = 256, observe: Observe | None = None
    ) -> None:
        self._judge, self._batch, self._wait_s, self._most, self._observe = judge, batch, wait_s, most, observe
        self._waiting: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._seconds_an_image = 0.0
        self._thread = threading.Thread(target=self._work, name="qreal-reward", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether pictures are judged."""
        return self._thread.is_alive() and not self._closed

    def submit(self, pictures: Sequence[Image.Image]) -> list[Future[ImageReward]]:
        """Put all pictures of a request into the queue, or none; what is cancelled before its turn is not judged.

        Raises:
            FullQueueError: there is no room for all.
            RuntimeError: the queue is closed.
        """
        with self._changed:
            if not self.alive:
                raise RuntimeError("the server is stopping")
            if len(self._waiting) + len(pictures) > self._most:
                raise FullQueueError(len(self._waiting), self._seconds_to_wait())
            added: list[Waiting] = [(one, Future()) for one in pictures]
            self._waiting += added
            self._changed.notify()
        return [future for _, future in added]

    def close(self, patience_s: float = 60.0) -> bool:
        """Take nothing more, judge what waits, and end the thread; whether that was done in time."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _seconds_to_wait(self) -> int:
        return min(60, max(1, math.ceil(len(self._waiting) * self._seconds_an_image)))

    def _work(self) -> None:
        while batch := self._take_batch():
            running = [(picture, future) for picture, future in batch if future.set_running_or_notify_cancel()]
            if not running:
                continue
            start = time.perf_counter()
            try:
                found = self._judge([picture for picture, _ in running])
            except Exception as error:  # the server goes on; each request says that it failed
                logger.exception("a batch of %d images failed", len(running))
                for _, future in running:
                    future.set_exception(error)
                continue
            taken = time.perf_counter() - start
            self._seconds_an_image = taken / len(running)
            if self._observe is not None:
                self._observe(len(running), taken)
            for (_, future), one in zip(running, found, strict=True):
                future.set_result(one)

    def _take_batch(self) -> list[Waiting]:
        """The next pictures; none when the queue was closed and is empty."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            end = time.monotonic() + self._wait_s
            while 0 < len(self._waiting) < self._batch and not self._closed:
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            return [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
