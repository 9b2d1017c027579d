"""Which sequences an epoch holds where tasks have weights."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from training.data.epochs import WeightedSampler

pytestmark = pytest.mark.slow

TASKS = ["objectqa"] * 6 + ["imageqa"] * 10 + ["objectqa"] * 4


class Epochs:
    """A sampler and the number of its epoch."""

    def __init__(self, objectqa: float, imageqa: float, seed: int = 1, lengths: list[int] | None = None) -> None:
        self.number = 0
        weights = {"objectqa": objectqa, "imageqa": imageqa}
        self.sampler = WeightedSampler(TASKS, weights, lambda: self.number, seed, lengths, group=5)

    def of(self, number: int) -> list[int]:
        self.number = number
        return list(self.sampler)


@pytest.mark.parametrize(
    ("objectqa", "imageqa", "expected"), [(1, 1, (10, 10)), (1, 2, (10, 20)), (0.5, 1.25, (5, 12)), (0.1, 3, (1, 30))]
)
def test_an_epoch_holds_each_task_as_often_as_asked(objectqa: float, imageqa: float, expected: tuple[int, int]) -> None:
    epochs = Epochs(objectqa, imageqa)
    found = Counter(TASKS[at] for at in epochs.of(0))
    assert (found["objectqa"], found["imageqa"]) == expected
    assert len(epochs.sampler) == sum(expected)


def test_fractions_pass_through_all_sequences_in_turn() -> None:
    """After every number of epochs no sequence of a task was seen more than once oftener than another."""
    epochs = Epochs(0.3, 2.5)
    seen: Counter[int] = Counter()
    for number in range(10):
        seen.update(epochs.of(number))
        for task in ("objectqa", "imageqa"):
            often = [seen[at] for at, name in enumerate(TASKS) if name == task]
            assert max(often) - min(often) <= 1
    assert {seen[at] for at, name in enumerate(TASKS) if name == "objectqa"} == {3}
    assert {seen[at] for at, name in enumerate(TASKS) if name == "imageqa"} == {25}


def test_the_order_is_the_seeds_and_the_epochs_and_mixes_the_tasks() -> None:
    epochs = Epochs(1, 2)
    first, second = epochs.of(0), epochs.of(1)
    assert first != second
    assert Epochs(1, 2).of(1) == second, "a run that begins in the second epoch sees what one that goes on sees"
    assert Epochs(1, 2, seed=2).of(0) != first
    tasks = [TASKS[at] for at in first]
    assert sum(one != other for one, other in pairwise(tasks)) > 5


def test_sequences_of_like_length_come_together() -> None:
    lengths = [at % 7 for at in range(len(TASKS))]
    found = [lengths[at] for at in Epochs(4, 16, lengths=lengths).of(0)]
    apart = [lengths[at] for at in Epochs(4, 16).of(0)]
    assert sorted(found) == sorted(apart)

    def spread(order: list[int]) -> int:
        return sum(max(order[at : at + 5]) - min(order[at : at + 5]) for at in range(0, len(order), 5))

    assert spread(found) < spread(apart) / 2
