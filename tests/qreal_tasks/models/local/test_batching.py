"""Automatic batch size, stepping back, and the item that a batch fails on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from qreal_tasks.models.local.batching import AdaptiveBatches, BatchSize, Failure, shorten_error

pytestmark = pytest.mark.slow


class Device:
    """Holds so many tokens at once, and remembers what it was given."""

    def __init__(self, capacity: int, poison: frozenset[int] = frozenset(), error: Exception | None = None) -> None:
        self.capacity, self.poison = capacity, poison
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")
        self.batches: list[int] = []
        self.fullest = 0.0

    def answer(self, batch: Sequence[int]) -> list[int]:
        tokens = len(batch) * max(batch)
        self.batches.append(len(batch))
        if tokens > self.capacity:
            raise self.error
        if self.poison & set(batch):
            raise ValueError(f"cannot take {sorted(self.poison & set(batch))}")
        self.fullest = max(self.fullest, tokens / self.capacity)
        return [-item for item in batch]

    def run(self, items: Sequence[int], fixed: int | None = None) -> dict[int, int | Failure]:
        size = BatchSize(fixed, lambda: self.fullest)
        batches: AdaptiveBatches[int, int] = AdaptiveBatches(self.answer, lambda item: item, size)
        results = list(batches.run(items))
        assert [item for item, _ in results] == list(items), "every item once, in order"
        return dict(results)


ITEMS = list(range(3000, 1000, -1))


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError()],
)
def test_steps_back_until_it_fits_and_loses_nothing(error: Exception) -> None:
    device = Device(capacity=3500, error=error)
    assert device.run(ITEMS) == {item: -item for item in ITEMS}
    assert max(device.batches[5:]) <= 3


def test_grows_until_the_memory_is_used() -> None:
    device = Device(capacity=100_000)
    device.run(ITEMS)
    assert device.batches[0] == 1
    assert max(device.batches) >= 20
    assert device.fullest > 0.4


def test_does_not_grow_where_memory_is_full() -> None:
    device = Device(capacity=10**9)
    device.fullest = 0.9
    device.run(ITEMS)
    assert max(device.batches) <= 4


def test_a_fixed_size_is_kept_and_halved_when_it_does_not_fit() -> None:
    device = Device(capacity=9000)
    assert device.run(ITEMS[:64], fixed=8)[ITEMS[0]] == -ITEMS[0]
    assert device.batches[:3] == [8, 4, 2]


def test_batches_without_a_wanted_item_are_left_out_and_the_others_stay_as_they_are() -> None:
    batches: list[Sequence[int]] = []

    def answer(batch: Sequence[int]) -> list[int]:
        batches.append(batch)
        return [-item for item in batch]

    def run(wanted: Callable[[int], bool]) -> dict[int, int | Failure]:
        size = BatchSize(None, lambda: 1.0)  # a CPU: nothing grows
        return dict(AdaptiveBatches[int, int](answer, lambda item: item, size).run(range(300, 100, -1), wanted))

    run(lambda item: True)
    whole, wanted = list(batches), {299, 150, 120}
    batches.clear()
    assert wanted <= run(wanted.__contains__).keys()
    assert batches == [batch for batch in whole if wanted & set(batch)]
    assert 1 < len(batches) < len(whole)


def test_an_item_too_large_alone_is_failed_with_the_reason() -> None:
    results = Device(capacity=2900).run([3000, 2800, 1000], fixed=1)
    assert results[2800] == -2800
    assert results[3000] == Failure("out of memory with this picture alone (3000 tokens)")


def test_the_bad_item_of_a_batch_is_found() -> None:
    results = Device(capacity=10**9, poison=frozenset({7})).run([9, 8, 7, 6], fixed=4)
    assert results == {9: -9, 8: -8, 7: Failure("ValueError: cannot take [7]"), 6: -6}


def test_a_model_that_fails_on_everything_stops_the_run() -> None:
    with pytest.raises(ValueError, match="cannot take"):
        Device(capacity=10**9, poison=frozenset(range(100))).run(list(range(100, 0, -1)), fixed=8)


def test_a_reason_leaves_room_for_the_stage_within_the_200_characters_of_a_submission() -> None:
    assert shorten_error(ValueError("two\nlines")) == "ValueError: two lines"
    assert len(f"describe: unreadable picture: {shorten_error(ValueError('x' * 999))}") <= 200
