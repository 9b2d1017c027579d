"""A stage through OpenAI's Batch API: half the price, within a day, and it survives being stopped for days.

The batches bring their answers into the record of calls; the stage is then made from the record as after live calls.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from annotation.llm.asker import request_options
from annotation.llm.budget import Budget
from annotation.llm.calls import CallRecord
from annotation.llm.outcome import Outcome, give_up
from annotation.llm.pipeline import Plan
from annotation.llm.replies import Form
from annotation.llm.request import Submitted
from annotation.run.folder import RunFolder
from annotation.run.schemas import State
from qreal_tasks.llm.arguments import DEFAULT_BASE_URL, api_key_for
from qreal_tasks.llm.batch.api import BatchApi
from qreal_tasks.llm.batch.harvester import BatchHarvester, BatchProgress, Harvest, Line
from qreal_tasks.llm.batch.limits import PRICE_FACTOR, BatchLimits, batch_prices
from qreal_tasks.llm.batch.state import opened
from qreal_tasks.llm.client import openai_client
from qreal_tasks.llm.errors.retry import Action, StoppedRun

log = logging.getLogger(__name__)


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
        limits: BatchLimits,
        *,
        api_key: str | None = None,
        watch: Callable[[BatchProgress], None] = lambda progress: None,
    ) -> None:
        model = run.config.language_model
        self._run, self._calls, self._budget, self._limits, self._watch = run, calls, budget, limits, watch
        url = model.base_url or DEFAULT_BASE_URL
        self._api = BatchApi(openai_client(url, api_key_for(api_key, url)), model.model, limits.poll_s)
        self._owner = hashlib.sha256(json.dumps([model.model, url]).encode()).hexdigest()
        self._options = request_options(run.config)

    def fill(self, plan: Plan, shards: Sequence[int]) -> Filled:
        """Submit what the record lacks, wait, and keep the answers.

        Raises:
            StoppedRun: the Batch API cannot be used; batches under way go on.
        """
        prices, failed = self._run.config.language_model.prices, dict[str, Outcome]()
        with opened(self._run.path / "batches.json", self._owner) as state:
            harvester = BatchHarvester(
                self._api,
                state,
                self._calls,
                lambda key, item: Submitted(key, Form(item["stage"], item["max_tokens"]), item["item"]),
                options=self._options,
                prices=prices and batch_prices(prices),
                limits=self._limits,
                advice="set it to null under language_model in the run's config.yaml, or ",
                watch=self._watch,
            )
            under_way = harvester.recover()
            for shard in state.shards:
                for item in shard.items.values():
                    self._budget.add_under_way(item["reserved_usd"])
            wanted: set[str] = set()
            harvester.submit(self._lines(plan, shards, under_way, wanted, harvester.stops))
            for harvest in harvester.collect(wanted):
                failed |= self._settle(harvest)
        return Filled(failed, harvester.stop())

    def _lines(
        self, plan: Plan, shards: Sequence[int], under_way: set[str], wanted: set[str], stops: dict[str, str]
    ) -> Iterator[Line]:
        """The requests that neither the record nor a batch has, one shard's pictures in memory at a time."""
        for shard in shards:
            requests = [task.request for task in plan(self._run, shard) if task.request is not None]
            by_key = {request.key: request for request in requests}
            kept = self._calls.get_many(by_key)
            for key, request in by_key.items():
                if key in kept or key in wanted:
                    continue
                if key not in under_way:
                    most = request.most_tokens(self._run.config.expected.characters_a_token)
                    reserved = self._budget.cost(most) * PRICE_FACTOR
                    if not self._budget.reserve(reserved):
                        stops["budget"] = self._budget.stop_message().rstrip(".")
                        return
                    item = {**vars(request.form), "item": request.item_id, "reserved_usd": reserved}
                    yield Line(key, item, request.body(request.messages(), self._options))
                wanted.add(key)

    def _settle(self, harvest: Harvest[Outcome]) -> dict[str, Outcome]:
        """Count what a batch has cost; its answers that nobody keeps, by key."""
        for key, item in harvest.items.items():
            self._budget.settle(item["reserved_usd"], harvest.costs_usd.get(key, 0.0))
        given_up = {key: one for key, one in harvest.failures.items() if one.action is Action.GIVE_UP}
        pending = Counter(one.reason for key, one in harvest.failures.items() if key not in given_up)
        if pending:
            reasons = ", ".join(f"{count} {reason}" for reason, count in pending.items())
            log.warning("%d requests of a batch have no answer and stay pending: %s", pending.total(), reasons)
        failed = {key: outcome for key, outcome in harvest.answers.items() if outcome.state is State.FAILED}
        return failed | {key: give_up(decision) for key, decision in given_up.items()}
