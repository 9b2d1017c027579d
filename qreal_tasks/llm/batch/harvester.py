"""Requests through OpenAI's Batch API, cut into batches that are never submitted twice, whatever kills the program.

with opened(path, owner) as state:
    harvester = BatchHarvester(api, state, store, question_of, options=options, prices=prices)
    under_way = harvester.recover()
    harvester.submit(line for line in lines if line.key not in under_way)
    for harvest in harvester.collect(wanted_keys):
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
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from qreal_tasks.llm.batch.api import ENDPOINT, Batch, BatchApi
from qreal_tasks.llm.batch.limits import BatchLimits
from qreal_tasks.llm.batch.state import BatchState, Shard
from qreal_tasks.llm.calls import Answer, Call, CallStore, KeyedQuestion
from qreal_tasks.llm.errors.messages import MalformedAnswer, StatusError, error_of, short
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, Action, RetryDecision, StoppedRun, classify_error
from qreal_tasks.llm.options import RequestOptions
from qreal_tasks.llm.usage import Prices, Usage
from qreal_tasks.text.json_text import load_json

NO_ANSWER = "no answer in batch"

log = logging.getLogger(__name__)
Asked = TypeVar("Asked", bound=KeyedQuestion[Any])


@dataclass(frozen=True)
class Line:
    """One request of a batch."""

    key: str
    item: Any
    """What it is about, as JSON can hold it; the question is made of it when the answer comes."""
    body: Mapping[str, Any]


@dataclass(frozen=True)
class BatchProgress:
    """How far the batches are that the given requests wait for."""

    submitted_requests: int = 0
    """Submitted by this program, as the next two; an earlier one submitted the others."""
    submitted_batches: int = 0
    submitted_bytes: int = 0
    requests: int = 0
    """Requests in all batches that are waited for."""
    answered: int = 0
    """Answered ones among these, as the server counts."""
    open_batches: int = 0


@dataclass(frozen=True)
class Harvest(Generic[Answer]):
    """What one ended batch brought for each of its requests: an answer, which is stored, or why there is none."""

    items: Mapping[str, Any]
    """By key, as the next ones: what each request was about."""
    answers: dict[str, Answer]
    costs_usd: dict[str, float] = field(default_factory=dict)
    failures: dict[str, RetryDecision] = field(default_factory=dict)
    """To be asked again, but for those to be given up."""


class BatchHarvester(Generic[Asked, Answer]):
    """Submits requests in batches and brings their answers into the calls table.

    Args:
        store: has the answers of earlier programs, and takes those that come.
        question_of: the question of a key and the item that was submitted with it.
        options: of all requests.
        prices: of tokens in batches.
        usage: counts what the batches bring.
        advice: where the user can leave out a parameter that the model rejects, to go before another advice.
        watch: told how the batches stand, after every submission and every look.
    """

    def __init__(
        self,
        api: BatchApi,
        state: BatchState,
        store: CallStore[Asked, Answer],
        question_of: Callable[[str, Any], Asked],
        *,
        options: RequestOptions,
        prices: Prices | None,
        limits: BatchLimits,
        usage: Usage | None = None,
        advice: str = "",
        watch: Callable[[BatchProgress], None] = lambda progress: None,
    ) -> None:
        self._api, self._state, self._store, self._question_of = api, state, store, question_of
        self._options, self._prices, self._limits = options, prices, limits
        self._usage, self._advice, self._watch = usage or Usage(), advice, watch
        self._progress = BatchProgress()
        self.stops: dict[str, str] = {}
        """By reason: why further requests are useless."""

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
            if shard.batch_id is not None and len(self._store.get_many(shard.items)) < len(shard.items)
        ]
        state.save()
        return {key for shard in state.shards for key in shard.items}

    def encode(self, line: Line) -> bytes:
        """A line as the file of a batch holds it.

        Raises:
            ValueError: it is larger than a batch may be.
        """
        request = {"custom_id": line.key, "method": "POST", "url": ENDPOINT, "body": line.body}
        # Escaped to ASCII: some letters would be ends of lines to a careless reader.
        encoded, most = json.dumps(request).encode() + b"\n", self._limits.max_bytes
        if len(encoded) > most:
            what = short(str(line.item))
            raise ValueError(f"{what}: its request takes {len(encoded)} bytes, expected at most {most}")
        return encoded

    def submit(self, lines: Iterable[Line]) -> None:
        """In as few batches as the limits allow, one batch in memory at a time.

        Raises:
            ValueError: a request is larger than a batch may be; the batches before it are submitted.
        """
        items: dict[str, Any] = {}
        content = bytearray()
        for line in lines:
            encoded = self.encode(line)
            if len(items) == self._limits.max_requests or len(content) + len(encoded) > self._limits.max_bytes:
                self._submit(items, bytes(content))
                items, content = {}, bytearray()
            items[line.key] = line.item
            content += encoded
        if items:
            self._submit(items, bytes(content))

    def collect(self, wanted: Collection[str]) -> Iterator[Harvest[Answer]]:
        """Wait for every batch with a wanted key and yield what it brought, when that is stored."""
        waited = [shard for shard in self._state.shards if not shard.items.keys().isdisjoint(wanted)]
        answered = dict.fromkeys((shard.name for shard in waited), 0)
        progress = replace(self._progress, requests=sum(len(shard.items) for shard in waited))
        while waited:
            for shard in list(waited):
                assert shard.batch_id is not None  # recovered or submitted
                batch = self._api.retrieve(shard.batch_id)
                answered[shard.name] = batch.answered
                if batch.ended:
                    harvest = self._harvest(shard, batch)
                    waited.remove(shard)
                    self._state.shards.remove(shard)
                    self._state.save()
                    yield harvest
            self._watch(replace(progress, answered=sum(answered.values()), open_batches=len(waited)))
            if waited:
                time.sleep(self._limits.poll_s)

    def stop(self) -> StoppedRun | None:
        """Why the run is to end when everything is collected; None when it may go on.

        The server refused a whole batch, or requests for a reason that all of them share.
        """
        if not self.stops:
            return None
        return StoppedRun(f"{'; '.join(self.stops.values())}. What was answered is kept; mend this and start again.")

    def _harvest(self, shard: Shard, batch: Batch) -> Harvest[Answer]:
        if batch.status == "failed" and batch.errors:
            self.stops[batch.errors] = f"batch {shard.batch_id} was refused ({batch.errors})"
            log.warning("%s", self.stops[batch.errors])
        # Some are stored by a program that was killed between the store and the state.
        harvest = Harvest(shard.items, self._store.get_many(shard.items))
        for file_id in batch.files:
            for key, line in self._lines(file_id, shard.items):
                if key not in harvest.answers:
                    self._take(self._question_of(key, shard.items[key]), line, harvest)
        reason = NO_ANSWER if batch.status == "completed" else f"batch {batch.status}"
        for key in shard.items:
            if key not in harvest.answers:
                harvest.failures.setdefault(key, RetryDecision(Action.RETRY, reason, ""))
        self._usage.failures.update(decision.reason for decision in harvest.failures.values())
        return harvest

    def _lines(self, file_id: str, asked: Collection[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Key and line of everything in a file that was asked; any other line is told in the log."""
        for number, raw in enumerate(self._api.lines(file_id), start=1):
            try:
                line = self._api.clean(load_json(raw))
            except ValueError:
                line = None
            key = line.get("custom_id") if isinstance(line, dict) else None
            if not isinstance(key, str):
                shown = short(self._api.clean(repr(raw)))
                log.warning("file %s, line %d cannot be read: %s", file_id, number, shown)
            elif key not in asked:
                log.warning("file %s, line %d answers %s, which was not asked", file_id, number, short(key))
            else:
                yield key, line

    def _take(self, question: Asked, line: Mapping[str, Any], harvest: Harvest[Answer]) -> None:
        """Store the answer in a line; a decision of the server's filter is one."""
        try:
            found = self._read(question, line)
        except (StatusError, MalformedAnswer) as error:
            found = self._decide(error)
        if isinstance(found, RetryDecision):
            if found.reason != CONTENT_FILTER:
                harvest.failures[question.key] = found
                return
            self._usage.failures[CONTENT_FILTER] += 1
            found = Call(question.give_up(found))
        if found.completion:
            self._usage.add(found.completion)
        harvest.failures.pop(question.key, None)
        harvest.answers[question.key] = self._store.put(question, found)
        harvest.costs_usd[question.key] = found.cost_usd or 0.0

    def _read(self, question: Asked, line: Mapping[str, Any]) -> Call[Answer] | RetryDecision:
        response = line.get("response")
        if not isinstance(response, Mapping):
            error = error_of(0, line)  # its kind is "batch_expired"
            reason = short(error.kind.replace("_", " ")) or "error without code"
            return RetryDecision(Action.RETRY, reason, error.message)
        status, body = response.get("status_code"), response.get("body")
        if isinstance(status, int) and status != 200:
            raise error_of(status, body)
        return Call.of(question, body, self._prices)

    def _decide(self, error: StatusError | MalformedAnswer) -> RetryDecision:
        """What becomes of a request that met an error; what all requests would meet is noted in ``stops``."""
        decision = classify_error(error, self._api.model, self._api.url, reached=True)
        rejected = isinstance(error, StatusError) and self._options.without_rejected(error) is not None
        if rejected and decision.reason != CONTENT_FILTER:
            advice = f"{self._advice}run without --batch, which finds out what it takes"
            message = f"the model rejects a parameter ({error}); {advice}"
            decision = replace(decision, action=Action.STOP, message=message)
        if decision.action is Action.STOP:
            self.stops[decision.reason] = decision.message.rstrip(".")
        return decision

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
        self._progress = BatchProgress(
            now.submitted_requests + len(items), now.submitted_batches + 1, now.submitted_bytes + len(content)
        )
        self._watch(self._progress)
