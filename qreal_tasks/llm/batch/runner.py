"""Requests through OpenAI's Batch API, cut into batches that are never submitted twice, whatever kills the program.

with opened(path, owner) as state:
    batches = Batches(api, state, kept=cache_holds)
    under_way = batches.recover()
    batches.submit(line for line in lines if line.key not in under_way)
    for found in batches.collect(wanted_keys, harvest):
        ...

What is asked, and what becomes of an answer, belongs to the caller: pairs of descriptions (``qreal_tasks/judge``) or
pictures to annotate (``annotation/llm``).
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from qreal_tasks.llm.batch.api import ENDPOINT, Batch, BatchApi
from qreal_tasks.llm.batch.state import BatchState, Shard
from qreal_tasks.llm.chat import check
from qreal_tasks.llm.errors.messages import short
from qreal_tasks.llm.usage import Prices

PRICE_FACTOR = 0.5
"""Of a batch against live requests: https://platform.openai.com/docs/guides/batch, "50% cost discount"."""
MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
"""Of one file, both from the same page."""
NO_ANSWER = "no answer in batch"

log = logging.getLogger(__name__)
Found = TypeVar("Found")


@dataclass(frozen=True)
class Line:
    """One request of a batch."""

    key: str
    item: Any
    """What it is about, as JSON can hold it; comes back with the answer."""
    body: Mapping[str, Any]

    def encoded(self) -> bytes:
        """As the file of a batch holds it."""
        said = {"custom_id": self.key, "method": "POST", "url": ENDPOINT, "body": self.body}
        # Escaped to ASCII: some letters would be ends of lines to a careless reader.
        return json.dumps(said).encode() + b"\n"


@dataclass(frozen=True)
class BatchProgress:
    """How far the batches are that the given requests wait for."""

    submitted_requests: int = 0
    """By this program, as the next two; the others were submitted by an earlier one."""
    submitted_batches: int = 0
    submitted_bytes: int = 0
    requests: int = 0
    """In all batches waited for."""
    answered: int = 0
    """Of them, as the server counts."""
    open_batches: int = 0


class Batches:
    """The batches of one ``BatchState``.

    Args:
        kept: those among the keys whose answers the caller has.
        poll_s: between two looks at the batches.
        max_requests, max_bytes: of one batch.
        watch: told how the batches stand, after every submission and every look.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        api: BatchApi,
        state: BatchState,
        *,
        kept: Callable[[Iterable[str]], Collection[str]],
        poll_s: float,
        max_requests: int = MAX_REQUESTS,
        max_bytes: int = MAX_BYTES,
        watch: Callable[[BatchProgress], None] = lambda progress: None,
    ) -> None:
        check_limits(poll_s, max_requests, max_bytes)
        self._api, self._state, self._kept = api, state, kept
        self._poll_s, self._max_requests, self._max_bytes = poll_s, max_requests, max_bytes
        self._watch = watch
        self._progress = BatchProgress()

    def recover(self) -> set[str]:
        """The keys under way, batches whose creation was not seen among them. Drops what was not created, for it to be
        planned anew, and what was collected by a program that was killed before it could say so."""
        state = self._state
        for shard in state.shards:
            if shard.batch_id is None and shard.input_file_id is not None:
                shard.batch_id = self._api.find(shard.name, shard.input_file_id)
        state.shards = [
            shard
            for shard in state.shards
            if shard.batch_id is not None and len(self._kept(shard.items)) < len(shard.items)
        ]
        state.save()
        return {key for shard in state.shards for key in shard.items}

    def submit(self, lines: Iterable[Line]) -> None:
        """In as few batches as the limits allow, one batch in memory at a time.

        Raises:
            ValueError: a request is larger than a batch may be; the batches before it are submitted.
        """
        items: dict[str, Any] = {}
        content = bytearray()
        for line in lines:
            encoded = line.encoded()
            if len(encoded) > self._max_bytes:
                what, size = short(str(line.item)), len(encoded)
                raise ValueError(f"{what}: its request takes {size} bytes, expected at most {self._max_bytes}")
            if len(items) == self._max_requests or len(content) + len(encoded) > self._max_bytes:
                self._submit(items, bytes(content))
                items, content = {}, bytearray()
            items[line.key] = line.item
            content += encoded
        if items:
            self._submit(items, bytes(content))

    def collect(self, wanted: Collection[str], harvest: Callable[[Shard, Batch], Found]) -> Iterator[Found]:
        """Wait for every batch with a wanted key and yield what ``harvest`` makes of it.

        ``harvest`` has kept the answers when it returns: the batch is then forgotten.
        """
        waited = [shard for shard in self._state.shards if not shard.items.keys().isdisjoint(wanted)]
        answered = dict.fromkeys((shard.name for shard in waited), 0)
        progress = replace(self._progress, requests=sum(len(shard.items) for shard in waited))
        while waited:
            for shard in list(waited):
                assert shard.batch_id is not None  # recovered or submitted
                batch = self._api.retrieve(shard.batch_id)
                answered[shard.name] = batch.answered
                if batch.ended:
                    found = harvest(shard, batch)
                    waited.remove(shard)
                    self._state.shards.remove(shard)
                    self._state.save()
                    yield found
            self._watch(replace(progress, answered=sum(answered.values()), open_batches=len(waited)))
            if waited:
                time.sleep(self._poll_s)

    def lines(self, shard: Shard, batch: Batch) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Key and line of everything that a batch brought for what was asked; any other line is told in the log."""
        for file_id in batch.files:
            yield from self._lines(file_id, shard.items)

    def _lines(self, file_id: str, asked: Collection[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for number, line in enumerate(self._api.lines(file_id), start=1):
            try:
                said = self._api.clean(json.loads(line))
            except (ValueError, RecursionError):
                said = None
            key = said.get("custom_id") if isinstance(said, dict) else None
            if not isinstance(key, str):
                shown = short(self._api.clean(repr(line)))
                log.warning("file %s, line %d cannot be read: %s", file_id, number, shown)
            elif key not in asked:
                log.warning("file %s, line %d answers %s, which was not asked", file_id, number, short(key))
            else:
                yield key, said

    def _submit(self, items: dict[str, Any], content: bytes) -> None:
        state = self._state
        shard = Shard(uuid.uuid4().hex, items)
        state.shards.append(shard)
        state.save()
        shard.input_file_id = self._api.upload(shard.name, content)
        state.save()
        shard.batch_id = self._api.create(shard.name, shard.input_file_id)
        state.save()
        now = self._progress
        self._progress = replace(
            now,
            submitted_requests=now.submitted_requests + len(items),
            submitted_batches=now.submitted_batches + 1,
            submitted_bytes=now.submitted_bytes + len(content),
        )
        self._watch(self._progress)


def check_limits(poll_s: float, max_requests: int, max_bytes: int) -> None:
    """Raise a ValueError for what no batch can be."""
    check(poll_s >= 0, "poll_s", poll_s, "0 or more")
    check(1 <= max_requests <= MAX_REQUESTS, "max_requests", max_requests, f"1 to {MAX_REQUESTS}")
    check(1 <= max_bytes <= MAX_BYTES, "max_bytes", max_bytes, f"1 to {MAX_BYTES}")


def reason_without_line(batch: Batch) -> str:
    """Why a request of an ended batch has no answer at all."""
    return NO_ANSWER if batch.status == "completed" else f"batch {batch.status}"


def batch_prices(prices: Prices) -> Prices:
    """What the same tokens cost in a batch."""
    cached = prices.cached_input
    return Prices(
        prices.input * PRICE_FACTOR, prices.output * PRICE_FACTOR, None if cached is None else cached * PRICE_FACTOR
    )
