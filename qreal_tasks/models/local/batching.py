"""Batches that fill the memory, step back when they are too large, and lose nothing to one bad item."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

GIVE_UP_AFTER = 20
"""So many failures in a row are the model's fault and not the pictures'."""

START_TOKENS = 1024
"""A CPU is busy with so many, and what fits no second picture needs no padding; a GPU soon gets more."""
_START_MEMORY = 2**30
"""Bytes of keys and values."""

_MEMORY_TO_FILL = 0.8


@dataclass(frozen=True)
class Failure:
    """Why an item has no result."""

    reason: str


class BatchSize:
    """Size of the next batch, in items.

    With a fixed size, so many. Otherwise as many as fit into a number of tokens, padding included, that doubles after
    every full batch while memory is left, and halves when a batch did not fit; what did not fit is not tried again.

    Args:
        fixed: items a batch, None for automatic.
        memory_used: share of the device's memory in use at its highest so far, 0 to 1.
        tokens: to begin with.
    """

    def __init__(self, fixed: int | None, memory_used: Callable[[], float], tokens: int = START_TOKENS) -> None:
        self._fixed = fixed
        self._memory_used = memory_used
        self._tokens = tokens
        self._too_many: int | None = None

    def take(self, costs: Sequence[int]) -> int:
        """Number of items, from the first, at least one; ``costs`` are tokens of each."""
        if self._fixed is not None:
            return min(self._fixed, len(costs))
        count, widest = 0, 0
        for cost in costs:
            widest = max(widest, cost)
            if count and (count + 1) * widest > self._tokens:
                break
            count += 1
        return count

    def fitted(self, batch: Sequence[int]) -> None:
        """A batch of items with these costs went through."""
        doubled = 2 * self._tokens
        full = 2 * len(batch) * max(batch) > self._tokens
        room = self._too_many is None or doubled < self._too_many
        if self._fixed is None and full and room and self._memory_used() < _MEMORY_TO_FILL:
            self._tokens = doubled

    def did_not_fit(self, batch: Sequence[int]) -> None:
        """A batch of items with these costs ran out of memory."""
        if self._fixed is not None:
            self._fixed = max(1, len(batch) // 2)
            logger.warning("out of memory with %d pictures a batch, going on with %d", len(batch), self._fixed)
            return
        self._too_many = len(batch) * max(batch)
        self._tokens = max(1, self._too_many // 2)
        logger.info("out of memory with %d tokens a batch, going on with %d", self._too_many, self._tokens)


class AdaptiveBatches(Generic[Item, Result]):
    """Runner of batches: items in, results out.

    Args:
        answer: results of a batch, in its order.
        cost: tokens of an item.
        size: shared by all runs of one model.
    """

    def __init__(
        self, answer: Callable[[Sequence[Item]], list[Result]], cost: Callable[[Item], int], size: BatchSize
    ) -> None:
        self._answer = answer
        self._cost = cost
        self._size = size
        self._failures_in_a_row = 0

    def run(
        self, items: Sequence[Item], wanted: Callable[[Item], bool] = lambda item: True
    ) -> Iterator[tuple[Item, Result | Failure]]:
        """Yield every item with its result, or with the reason why it has none, batch by batch.

        Args:
            wanted: a batch in which no item is wanted takes its place but is left out.

        Raises:
            Exception: what the model raised, when it has failed on twenty items in a row.
        """
        waiting = list(items)
        while waiting:
            costs = [self._cost(item) for item in waiting]
            count = self._size.take(costs)
            batch, batch_costs = waiting[:count], costs[:count]
            if not any(map(wanted, batch)):
                waiting = waiting[count:]
                continue
            outcome = self._attempt(batch)
            if isinstance(outcome, list):
                self._size.fitted(batch_costs)
                yield from zip(batch, outcome, strict=True)
            elif is_out_of_memory(outcome):
                _free_memory()
                if count == 1:
                    yield batch[0], Failure(f"out of memory with this picture alone ({batch_costs[0]} tokens)")
                else:
                    self._size.did_not_fit(batch_costs)
                    continue
            else:
                yield from self._one_by_one(batch, outcome)
            waiting = waiting[count:]

    def _one_by_one(self, batch: Sequence[Item], error: Exception) -> Iterator[tuple[Item, Result | Failure]]:
        """Find the items that a failed batch failed on."""
        for item in batch:
            outcome = self._attempt([item]) if len(batch) > 1 else error
            if isinstance(outcome, list):
                yield item, outcome[0]
                continue
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= GIVE_UP_AFTER:
                raise outcome
            yield item, Failure(shorten_error(outcome))

    def _attempt(self, batch: Sequence[Item]) -> list[Result] | Exception:
        """Results or the error, without its traceback: that would keep the batch's tensors alive."""
        try:
            results = self._answer(batch)
        except Exception as error:
            return error.with_traceback(None)
        self._failures_in_a_row = 0
        return results


def is_out_of_memory(error: Exception) -> bool:
    """Whether a smaller batch may succeed."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def shorten_error(error: Exception) -> str:
    """One line for a record, with room for what is said before it: a submission's reasons have 200 characters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:160]


def count_tokens_to_write(model: Any) -> int:
    """Tokens of a first batch of answers that are written: those whose keys and values take a gigabyte.

    A step takes one token of each answer, which keeps no device busy unless there are many.
    """
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(_START_MEMORY // (2 * config.num_hidden_layers * heads * width * model.dtype.itemsize))


def cuda_memory_used() -> float:
    """The highest share of the device's memory that this process has held; 1 without such a device."""
    if not torch.cuda.is_available():
        return 1.0
    return torch.cuda.max_memory_reserved() / torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory


def _free_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
