"""What a server takes at most, and how a request that it does not take is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class ServeLimits:
    """Sizes, counts and times of one server."""

    body_bytes: int = 64 * 2**20
    """Of a request."""
    images: int = 64
    """Of a request."""
    image_pixels: int = 2**24
    """Of one image, width times height."""
    queued_images: int = 256
    """That wait for the model, of all requests together."""
    memory_bytes: int = 2 * 2**30
    """Bodies and decoded images of all requests together."""
    upload_s: float = 60.0
    """In which a body has to arrive."""

    def __post_init__(self) -> None:
        if self.images > self.queued_images:
            raise ValueError(
                f"{self.images} images a request, and {self.queued_images} that may wait: a full request would never "
                "be taken; allow at least as many to wait"
            )


class RequestRefusedError(Exception):
    """A request that is not taken.

    Args:
        status: of the answer.
        reason: what was found, what is expected, what to do.
        retry_after_s: when to try again, for 429.
    """

    def __init__(self, status: int, reason: str, retry_after_s: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.retry_after_s = status, reason, retry_after_s


class MemoryLease:
    """What one request holds of a ``MemoryBudget``."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget, self.held = budget, 0

    def add(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            RequestRefusedError: the requests that are under way hold too much already.
        """
        if self._budget.held + size > self._budget.most:
            raise RequestRefusedError(
                429, "the server holds as many images of other requests as it may; try again", retry_after_s=1
            )
        self._budget.held += size
        self.held += size


class MemoryBudget:
    """How much all requests that are under way hold in memory; used by the event loop's thread alone."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0

    @contextmanager
    def lease(self) -> Iterator[MemoryLease]:
        """What a request holds while the block lasts."""
        one = MemoryLease(self)
        try:
            yield one
        finally:
            self.held -= one.held
