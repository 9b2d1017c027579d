"""What a server counts, in Prometheus' text form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from qreal_tasks.screening.reward.reward import RewardCounts

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _CountedRewards(Collector):
    """The counts of a reward, which counts itself."""

    def __init__(self, counts: RewardCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        counts = self._counts
        yield CounterMetricFamily("qreal_images", "Images that were judged.", value=counts.images)
        yield CounterMetricFamily("qreal_images_unanswered", "Of these, without a reward.", value=counts.unanswered)
        yield CounterMetricFamily("qreal_images_cached", "Of these, with known pixels.", value=counts.cached)


class ServerMetrics:
    """The numbers of one server; each has its own, so that a process may hold several.

    Args:
        counts: of the reward that is served.
        waiting: gives the number of images that wait.
    """

    def __init__(self, counts: RewardCounts, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_CountedRewards(counts))
        self._answers = Counter(
            "qreal_requests", "Answers to requests, by path and status.", ("path", "status"), registry=self._registry
        )
        self._sizes = Histogram(
            "qreal_batch_images", "Images judged together.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=self._registry
        )
        self._seconds = Histogram("qreal_batch_seconds", "Time that a batch took.", registry=self._registry)
        gauge = Gauge("qreal_images_waiting", "Images that wait for the model.", registry=self._registry)
        gauge.set_function(waiting)

    def count_answer(self, path: str, status: int) -> None:
        """Count the answer to a request."""
        self._answers.labels(path, str(status)).inc()

    def count_batch(self, images: int, seconds: float) -> None:
        """Count a batch that was judged."""
        self._sizes.observe(images)
        self._seconds.observe(seconds)

    def write(self) -> bytes:
        """All numbers as text."""
        return generate_latest(self._registry)
