"""A stage through OpenAI's Batch API: half the price, within a day, and it survives being stopped for days.

The batches bring their answers into the record of calls; the stage is then made from the record as after live calls.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from annotation.llm.asker import check_options, request_options
from annotation.llm.budget import Budget
from annotation.llm.calls import CallRecord
from annotation.llm.outcome import Outcome, give_up, read_outcome
from annotation.llm.pipeline import Plan
from annotation.llm.replies import Form
from annotation.run.folder import RunFolder
from annotation.run.schemas import State
from qreal_tasks.llm.batch.api import Batch, BatchApi
from qreal_tasks.llm.batch.runner import (
    MAX_BYTES,
    MAX_REQUESTS,
    PRICE_FACTOR,
    Batches,
    BatchProgress,
    Line,
    batch_prices,
)
from qreal_tasks.llm.batch.state import Shard, opened
from qreal_tasks.llm.chat import DEFAULT_BASE_URL, api_key_for
from qreal_tasks.llm.client import openai_client
from qreal_tasks.llm.errors.messages import MalformedAnswer, StatusError, error_of
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, Action, StoppedRun, classify_error
from qreal_tasks.llm.usage import Usage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Of one batch, and how often it is looked at."""

    poll_s: float = 60.0
    max_requests: int = MAX_REQUESTS
    max_bytes: int = MAX_BYTES


@dataclass
class _Found:
    """What batches brought beside the answers that the record keeps."""

    failed: dict[str, Outcome] = field(default_factory=dict)
    stops: dict[str, str] = field(default_factory=dict)


class Filled(NamedTuple):
    """What the record cannot tell."""

    failed: dict[str, Outcome]
    """Answers that cannot be used, by key: their rows say so."""
    stop: StoppedRun | None
    """The budget is reached, or the server refuses every request: the run ends after what came in is written."""


class BatchAsker:
    """Fills the record of calls for one stage at a time.

    Raises:
        StoppedRun: no key.
    """

    def __init__(
        self,
        run: RunFolder,
        calls: CallRecord,
        budget: Budget,
        limits: Limits,
        *,
        api_key: str | None = None,
        watch: Callable[[BatchProgress], None] = lambda progress: None,
    ) -> None:
        model = run.config.language_model
        self._run, self._calls, self._budget, self._limits, self._watch = run, calls, budget, limits, watch
        self._url = model.base_url or DEFAULT_BASE_URL
        client = openai_client(self._url, api_key_for(api_key, self._url))
        self._api = BatchApi(client, model.model, limits.poll_s)
        self._owner = hashlib.sha256(json.dumps([model.model, self._url]).encode()).hexdigest()
        self._prices = model.prices and batch_prices(model.prices)

    def fill(self, plan: Plan, shards: Sequence[int]) -> Filled:
        """Submit what the record lacks, wait, and keep the answers.

        Raises:
            StoppedRun: the Batch API cannot be used; batches under way go on.
        """
        found = _Found()
        with opened(self._run.path / "batches.json", self._owner) as state:
            batches = Batches(
                self._api,
                state,
                kept=self._calls.get_many,
                poll_s=self._limits.poll_s,
                max_requests=self._limits.max_requests,
                max_bytes=self._limits.max_bytes,
                watch=self._watch,
            )
            under_way = batches.recover()
            for shard in state.shards:
                for item in shard.items.values():
                    self._budget.reserve(item["reserved_usd"])
            wanted: set[str] = set()
            batches.submit(self._lines(plan, shards, under_way, wanted, found))
            for _ in batches.collect(wanted, lambda shard, batch: self._harvest(batches, shard, batch, found)):
                pass
        stop = None
        if found.stops:
            said = "; ".join(found.stops.values())
            stop = StoppedRun(f"{said}. What was answered is kept; mend this and start again.")
        return Filled(found.failed, stop)

    def _lines(
        self, plan: Plan, shards: Sequence[int], under_way: set[str], wanted: set[str], found: _Found
    ) -> Iterator[Line]:
        """The requests that neither the record nor a batch has, one shard's pictures in memory at a time."""
        options = request_options(self._run.config)
        check_options(self._run.config, options)
        for shard in shards:
            requests = [task.request for task in plan(self._run, shard) if task.request is not None]
            by_key = {request.key: request for request in requests}
            kept = self._calls.get_many(by_key)
            for key, request in by_key.items():
                if key in kept or key in wanted:
                    continue
                if key not in under_way:
                    characters = self._run.config.expected.characters_a_token
                    reserved = self._budget.cost(request.estimate(characters, request.form.max_tokens)) * PRICE_FACTOR
                    if not self._budget.reserve(reserved):
                        found.stops["budget"] = self._budget.stop_message().rstrip(".")
                        return
                    item = {**vars(request.form), "item": request.item_id, "reserved_usd": reserved}
                    yield Line(key, item, request.body(request.messages(), options))
                wanted.add(key)

    def _harvest(self, batches: Batches, shard: Shard, batch: Batch, found: _Found) -> None:
        """Keep every answer of a batch that has ended."""
        if batch.status == "failed" and batch.errors:
            found.stops[batch.errors] = f"batch {shard.batch_id} was refused ({batch.errors})"
        kept = self._calls.get_many(shard.items)  # by a program that was killed between the record and the state
        answered = set(kept)
        for key, said in batches.lines(shard, batch):
            if key not in answered and self._took(key, shard.items[key], said, found):
                answered.add(key)
        left = len(shard.items) - len(answered)
        if left:
            log.warning("batch %s (%s): %d requests without an answer stay pending", shard.batch_id, batch.status, left)

    def _took(self, key: str, item: Mapping[str, Any], said: Mapping[str, Any], found: _Found) -> bool:
        """Whether a line is the model's answer; anything else is asked again."""
        response = said.get("response")
        if not isinstance(response, Mapping):
            return False
        status, body = response.get("status_code"), response.get("body")
        if isinstance(status, int) and status != 200:
            return self._refused(key, item, error_of(status, body), found)
        form = Form(item["stage"], item["max_tokens"])
        try:
            outcome = read_outcome(body, form)
        except StatusError as error:
            return self._refused(key, item, error, found)
        except MalformedAnswer as error:
            log.warning("%s: malformed answer in batch (%s)", item["item"], error)
            return False
        assert isinstance(body, dict)  # read_outcome would have raised
        usage = Usage()
        usage.add(body)
        self._calls.put(key, form.stage, item["item"], outcome, usage, self._prices)
        self._budget.settle(item["reserved_usd"], 0.0 if self._prices is None else usage.cost_usd(self._prices))
        if outcome.state is State.FAILED:
            found.failed[key] = outcome
        return True

    def _refused(self, key: str, item: Mapping[str, Any], error: StatusError, found: _Found) -> bool:
        decision = classify_error(error, self._run.config.language_model.model, self._url, True)
        if decision.reason == CONTENT_FILTER:
            outcome = Outcome(State.FILTERED, CONTENT_FILTER)
            self._calls.put(key, item["stage"], item["item"], outcome, Usage(), self._prices)
            return True
        if request_options(self._run.config).without_rejected(error) is not None:
            found.stops[decision.reason] = (
                f"the model rejects a parameter ({error}); set it to null in config.yaml, or run without --batch, "
                "which finds out what the model takes"
            )
        elif decision.action is Action.STOP:
            found.stops[decision.reason] = decision.message.rstrip(".")
        elif decision.action is Action.GIVE_UP:
            found.failed[key] = give_up(decision)
            return True
        return False
