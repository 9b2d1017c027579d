"""The judge over OpenAI's Batch API: the same requests at half the price, answered within 24 hours.

with BatchJudge(load_manifest("gpt-4o"), cache_path()) as judge:
    scores = [judgement.score for judgement in judge.judge(pairs)]

A program that is stopped or killed is started again with the same pairs and goes on with the batches it had created.
"""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import openai

from qreal_tasks.judge.batch_api import ENDPOINT, Batch, BatchApi, status_error
from qreal_tasks.judge.batch_state import BatchState, Shard, opened
from qreal_tasks.judge.cache import Call
from qreal_tasks.judge.judge import Judge
from qreal_tasks.judge.manifest import Manifest
from qreal_tasks.judge.pairs import Judgement, Pair
from qreal_tasks.judge.prompt import messages
from qreal_tasks.models.openai_chat import DEFAULT_BASE_URL, check
from qreal_tasks.models.openai_http import MalformedAnswer, StatusError, short
from qreal_tasks.models.openai_retry import CONTENT_FILTER, Action, StoppedRun
from qreal_tasks.models.openai_retry import judge as verdict_on
from qreal_tasks.models.openai_usage import Prices, Usage

PRICE_FACTOR = 0.5
"""Of a batch against live requests: https://platform.openai.com/docs/guides/batch, "50% cost discount"."""
MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
"""Of one file, both from the same page."""
NO_ANSWER = "no answer in batch"
_NEEDS_DIALECT = "the model rejects a parameter ({}); judge without --batch, which finds out what it takes"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """How far the batches are that the given pairs wait for."""

    submitted_pairs: int = 0
    """By this program, as the next two; the others were submitted by an earlier one."""
    submitted_batches: int = 0
    submitted_bytes: int = 0
    pairs: int = 0
    """In all batches waited for."""
    answered: int = 0
    """Of them, as the server counts."""
    open_batches: int = 0


class BatchJudge(Judge):
    """A ``Judge`` that asks in batches; ``iterate`` yields the answers of a batch when it has ended.

    What a pair comes to is the same as live, with two more reasons for no score: "batch expired" (cancelled, failed)
    and "no answer in batch". Such pairs, like all that are not kept, are submitted again by the next start.

    Args:
        poll_s: between two looks at the batches, and between two attempts at a step that failed.
        max_requests, max_bytes: of one batch.
        state: the file that says which batches are under way; default beside the cache, one for each manifest.
        client: default one for the manifest's server.
        watch: told how the batches stand, after every submission and every look.

    Raises:
        StoreError: the cache file is something else or damaged.
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        manifest: Manifest,
        cache: str | Path,
        *,
        poll_s: float = 30,
        max_requests: int = MAX_REQUESTS,
        max_bytes: int = MAX_BYTES,
        state: Path | None = None,
        client: openai.OpenAI | None = None,
        api_key: str | None = None,
        watch: Callable[[Standing], None] = lambda standing: None,
    ) -> None:
        check(poll_s >= 0, "poll_s", poll_s, "0 or more")
        check(1 <= max_requests <= MAX_REQUESTS, "max_requests", max_requests, f"1 to {MAX_REQUESTS}")
        check(1 <= max_bytes <= MAX_BYTES, "max_bytes", max_bytes, f"1 to {MAX_BYTES}")
        super().__init__(manifest, cache)
        self.watch = watch
        self._prices = manifest.prices and _of_a_batch(manifest.prices)
        self._spent = Usage()
        self._openai, self._api_key = client, api_key
        self._poll_s, self._max_requests, self._max_bytes = poll_s, max_requests, max_bytes
        self._state = state or Path(f"{cache}.batches-{manifest.hash[:12]}.json")
        self._stops: dict[str, str] = {}

    @property
    def usage(self) -> Usage:
        """Of every batch collected, also for pairs that an earlier program had submitted."""
        return self._spent

    def _ask(self, missing: Mapping[str, Pair]) -> Iterator[tuple[str, Judgement]]:
        """Submit what is in no batch yet, then wait for all that hold a missing pair.

        Raises:
            StoppedRun: beside what ``judge`` names, when all is collected: the server refused a whole batch, or
                requests for a reason that all of them share.
            ValueError: the request of one pair is larger than a batch may be.
        """
        api = BatchApi(self._client_of_batches(), self.manifest.model, self._poll_s)
        self._stops = {}
        with opened(self._state, self._hash) as state:
            stored = self._cache.get_many(missing)  # by a program that ended before this one had the state
            yield from stored.items()
            missing = {key: pair for key, pair in missing.items() if key not in stored}
            self._recover(api, state)
            under_way = {key for shard in state.shards for key in shard.pairs}
            standing = self._submit(api, state, {key: pair for key, pair in missing.items() if key not in under_way})
            yield from self._collect(api, state, missing, standing)
        if self._stops:
            raise StoppedRun(
                f"{'; '.join(self._stops.values())}. What was answered is kept; mend this and start again."
            )

    def _client_of_batches(self) -> openai.OpenAI:
        if self._openai is not None:
            return self._openai
        key = self._api_key or os.environ.get("OPENAI_API_KEY")
        if not key and self.manifest.base_url is None:
            raise StoppedRun("no API key: set OPENAI_API_KEY")
        return openai.OpenAI(base_url=self.manifest.base_url or DEFAULT_BASE_URL, api_key=key or "none")

    def _recover(self, api: BatchApi, state: BatchState) -> None:
        """Find the batches whose creation was not seen. Drop what was not created, for it to be planned anew, and what
        was collected by a program that was killed before it could say so."""
        for shard in state.shards:
            if shard.batch_id is None and shard.input_file_id is not None:
                shard.batch_id = api.find(shard.name, shard.input_file_id)
        state.shards = [
            shard
            for shard in state.shards
            if shard.batch_id is not None and len(self._cache.get_many(shard.pairs)) < len(shard.pairs)
        ]
        state.save()

    def _submit(self, api: BatchApi, state: BatchState, pairs: Mapping[str, Pair]) -> Standing:
        sizes = {key: len(self._line(key, pair)) for key, pair in pairs.items()}
        for key, size in sizes.items():
            if size > self._max_bytes:
                pair = f"({short(pairs[key].predicted)!r}, {short(pairs[key].reference)!r})"
                raise ValueError(f"pair {pair}: its request takes {size} bytes, expected at most {self._max_bytes}")
        standing = Standing()
        for keys in portions(sizes, self._max_requests, self._max_bytes):
            shard = Shard(uuid.uuid4().hex, {key: pairs[key] for key in keys})
            state.shards.append(shard)
            state.save()
            shard.input_file_id = api.upload(
                shard.name, b"".join(self._line(key, pair) for key, pair in shard.pairs.items())
            )
            state.save()
            shard.batch_id = api.create(shard.name, shard.input_file_id)
            state.save()
            standing = replace(
                standing,
                submitted_pairs=standing.submitted_pairs + len(keys),
                submitted_batches=standing.submitted_batches + 1,
                submitted_bytes=standing.submitted_bytes + sum(sizes[key] for key in keys),
            )
            self.watch(standing)
        return standing

    def _line(self, key: str, pair: Pair) -> bytes:
        body = self._body(messages(self.manifest, pair), self._dialect)
        # Escaped to ASCII: some letters would be ends of lines to a careless reader.
        return json.dumps({"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}).encode() + b"\n"

    def _collect(
        self, api: BatchApi, state: BatchState, missing: Mapping[str, Pair], standing: Standing
    ) -> Iterator[tuple[str, Judgement]]:
        wanted = [shard for shard in state.shards if not missing.keys().isdisjoint(shard.pairs)]
        answered = dict.fromkeys((shard.name for shard in wanted), 0)
        standing = replace(standing, pairs=sum(len(shard.pairs) for shard in wanted))
        while wanted:
            for shard in list(wanted):
                assert shard.batch_id is not None  # recovered or submitted
                batch = api.retrieve(shard.batch_id)
                answered[shard.name] = batch.answered
                if batch.ended:
                    found = self._harvest(api, shard, batch)
                    wanted.remove(shard)
                    state.shards.remove(shard)
                    state.save()
                    yield from ((key, judgement) for key, judgement in found.items() if key in missing)
            self.watch(replace(standing, answered=sum(answered.values()), open_batches=len(wanted)))
            if wanted:
                time.sleep(self._poll_s)

    def _harvest(self, api: BatchApi, shard: Shard, batch: Batch) -> dict[str, Judgement]:
        """What came of every pair of a batch that has ended; all answers are in the cache."""
        if batch.status == "failed" and batch.errors:
            self._stops[batch.errors] = f"batch {shard.batch_id} was refused ({batch.errors})"
            log.warning("%s", self._stops[batch.errors])
        found = self._cache.get_many(shard.pairs)  # by a program that was killed between the cache and the state
        for file_id in batch.files:
            for key, said in _lines(api.lines(file_id), file_id, shard.pairs):
                if key not in found:
                    found[key] = self._judgement(shard.pairs[key], said)
        reason = NO_ANSWER if batch.status == "completed" else f"batch {batch.status}"
        left = {key: Judgement(None, reason) for key in shard.pairs if key not in found}
        self._spent.failures.update({reason: len(left)} if left else {})
        return found | left

    def _judgement(self, pair: Pair, said: Mapping[str, Any]) -> Judgement:
        """Of one line; a decision about the pair or an answer is kept, a failure is not."""
        response = said.get("response")
        if not isinstance(response, Mapping):
            code = status_error(0, said).kind  # "batch_expired"
            return self._unanswered(short(code.replace("_", " ")) or "error without code")
        status, body = response.get("status_code"), response.get("body")
        if isinstance(status, int) and status != 200:
            return self._refused(pair, status_error(status, body))
        try:
            call = self._call(body)
        except MalformedAnswer:
            return self._unanswered("malformed answer")
        assert isinstance(body, dict)  # _call would have raised
        self._spent.add(body)
        return self._cache.put(self._hash, pair, call)

    def _refused(self, pair: Pair, error: StatusError) -> Judgement:
        learned = self._dialect.after(error)
        verdict = verdict_on(error, self.manifest.model, self.manifest.base_url or DEFAULT_BASE_URL, True)
        if verdict.reason == CONTENT_FILTER:
            return self._cache.put(self._hash, pair, Call(self._unanswered(CONTENT_FILTER)))
        if learned is not None:
            self._stops[verdict.reason] = _NEEDS_DIALECT.format(error)
        elif verdict.action is Action.STOP:
            self._stops[verdict.reason] = verdict.message.rstrip(".")
        return self._unanswered(verdict.reason)

    def _unanswered(self, reason: str) -> Judgement:
        self._spent.failures[reason] += 1
        return Judgement(None, reason)


def portions(sizes: Mapping[str, int], max_requests: int, max_bytes: int) -> list[list[str]]:
    """The keys in their order, cut into as few pieces as the limits allow.

    >>> portions({"a": 40, "b": 40, "c": 40, "d": 10, "e": 10}, max_requests=3, max_bytes=90)
    [['a', 'b'], ['c', 'd', 'e']]
    """
    cut: list[list[str]] = []
    n_bytes = 0
    for key, size in sizes.items():
        if not cut or len(cut[-1]) == max_requests or n_bytes + size > max_bytes:
            cut.append([])
            n_bytes = 0
        cut[-1].append(key)
        n_bytes += size
    return cut


def _lines(lines: Iterable[bytes], file_id: str, asked: Mapping[str, Pair]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The lines that answer what was asked; any other is told in the log and costs nothing else."""
    for number, line in enumerate(lines, start=1):
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            said = None
        key = said.get("custom_id") if isinstance(said, dict) else None
        if not isinstance(key, str):
            log.warning("file %s, line %d cannot be read: %s", file_id, number, short(repr(line)))
        elif key not in asked:
            log.warning("file %s, line %d answers %s, which was not asked", file_id, number, short(key))
        else:
            yield key, said


def _of_a_batch(prices: Prices) -> Prices:
    cached = prices.cached_input
    return Prices(
        prices.input * PRICE_FACTOR, prices.output * PRICE_FACTOR, None if cached is None else cached * PRICE_FACTOR
    )
