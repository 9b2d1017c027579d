"""Which sequences an epoch holds where tasks are seen more or less often than once, and their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices


def count_seen(sequences: int, weight: float) -> int:
    """Count the sequences of a task that an epoch holds, when ``weight`` is how often each is seen in the mean."""
    return round(weight * sequences)


class WeightedSampler(torch.utils.data.Sampler[int]):
    """Chooses and orders the sequences of an epoch, by its number and the seed alone.

    The sequences of a task are laid in a circle, in an order drawn once; an epoch takes up where the one before ended.
    So all are seen equally often, to within one, also when an epoch holds a part of them.

    Args:
        tasks: of every sequence.
        weights: how often a task's sequences are seen in an epoch.
        epoch: tells the number of the epoch that begins, from 0.
        lengths: of every sequence, where those of like length shall share a batch.
        group: sequences of an optimiser step, for grouping by length.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        weights: Mapping[str, float],
        epoch: Callable[[], int],
        seed: int,
        lengths: Sequence[int] | None = None,
        group: int = 1,
    ) -> None:
        self._circles: list[tuple[list[int], int]] = []
        for task, weight in weights.items():
            of_task = torch.tensor([at for at, name in enumerate(tasks) if name == task])
            order = torch.randperm(len(of_task), generator=torch.Generator().manual_seed(seed))
            self._circles.append((of_task[order].tolist(), count_seen(len(of_task), weight)))
        self._epoch = epoch
        self._seed = seed
        self._lengths = lengths
        self._group = group

    def __len__(self) -> int:
        return sum(seen for _, seen in self._circles)

    def __iter__(self) -> Iterator[int]:
        epoch = self._epoch()
        chosen = [
            circle[at % len(circle)] for circle, seen in self._circles for at in range(epoch * seen, (epoch + 1) * seen)
        ]
        generator = torch.Generator().manual_seed(self._seed + epoch)
        if self._lengths is None:
            order = torch.randperm(len(chosen), generator=generator).tolist()
        else:
            lengths = [self._lengths[at] for at in chosen]
            order = get_length_grouped_indices(lengths, self._group, generator=generator)
        return iter([chosen[at] for at in order])
