"""The judge over OpenAI's Batch API: the same requests at half the price, answered within 24 hours.

with BatchJudge(load_manifest("gpt-4o"), cache_path()) as judge:
    scores = [judgement.score for judgement in judge.judge(pairs)]

A program that is stopped or killed is started again with the same pairs and goes on with the batches it had created.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import openai

from qreal_tasks.judge.cache import Call
from qreal_tasks.judge.judge import Judge
from qreal_tasks.judge.manifest import JudgeManifest
from qreal_tasks.judge.pairs import Judgement, Pair, unjudged
from qreal_tasks.judge.prompt import messages
from qreal_tasks.llm.batch.api import Batch, BatchApi
from qreal_tasks.llm.batch.runner import (
    MAX_BYTES,
    MAX_REQUESTS,
    Batches,
    Line,
    Standing,
    batch_prices,
    check_limits,
    reason_without_line,
)
from qreal_tasks.llm.batch.state import Shard, opened
from qreal_tasks.llm.chat import DEFAULT_BASE_URL, api_key_for
from qreal_tasks.llm.client import openai_client
from qreal_tasks.llm.errors.messages import MalformedAnswer, StatusError, error_of, short
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, Action, StoppedRun
from qreal_tasks.llm.errors.retry import judge as verdict_on
from qreal_tasks.llm.usage import Usage

_NEEDS_DIALECT = "the model rejects a parameter ({}); judge without --batch, which finds out what it takes"

log = logging.getLogger(__name__)


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
        manifest: JudgeManifest,
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
        check_limits(poll_s, max_requests, max_bytes)
        super().__init__(manifest, cache)
        self.watch = watch
        self._prices = manifest.prices and batch_prices(manifest.prices)
        self._spent = Usage()
        self._openai, self._api_key = client, api_key
        self._poll_s, self._max_requests, self._max_bytes = poll_s, max_requests, max_bytes
        self._state = state or Path(f"{cache}.batches-{manifest.exact_hash[:12]}.json")
        self._stops: dict[str, str] = {}

    @property
    def usage(self) -> Usage:
        """Tokens and money of every batch collected, also for pairs that an earlier program had submitted."""
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
            batches = Batches(
                api,
                state,
                kept=self._cache.get_many,
                poll_s=self._poll_s,
                max_requests=self._max_requests,
                max_bytes=self._max_bytes,
                watch=self.watch,
            )
            under_way = batches.recover()
            batches.submit(self._lines({key: pair for key, pair in missing.items() if key not in under_way}))
            for found in batches.collect(missing, lambda shard, batch: self._harvest(batches, shard, batch)):
                yield from ((key, judgement) for key, judgement in found.items() if key in missing)
        if self._stops:
            raise StoppedRun(
                f"{'; '.join(self._stops.values())}. What was answered is kept; mend this and start again."
            )

    def _client_of_batches(self) -> openai.OpenAI:
        if self._openai is not None:
            return self._openai
        url = self.manifest.base_url or DEFAULT_BASE_URL
        return openai_client(url, api_key_for(self._api_key, url))

    def _lines(self, pairs: Mapping[str, Pair]) -> list[Line]:
        """All of them, checked before any is submitted."""
        lines = []
        for key, pair in pairs.items():
            body = self._body(messages(self.manifest, pair), self._dialect)
            line = Line(key, {"predicted": pair.predicted, "reference": pair.reference}, body)
            size = len(line.encoded())
            if size > self._max_bytes:
                said = f"({short(pair.predicted)!r}, {short(pair.reference)!r})"
                raise ValueError(f"pair {said}: its request takes {size} bytes, expected at most {self._max_bytes}")
            lines.append(line)
        return lines

    def _harvest(self, batches: Batches, shard: Shard, batch: Batch) -> dict[str, Judgement]:
        """What came of every pair of a batch that has ended; all answers are in the cache."""
        if batch.status == "failed" and batch.errors:
            self._stops[batch.errors] = f"batch {shard.batch_id} was refused ({batch.errors})"
            log.warning("%s", self._stops[batch.errors])
        found = self._cache.get_many(shard.items)  # by a program that was killed between the cache and the state
        for key, said in batches.lines(shard, batch):
            if key not in found:
                found[key] = self._judgement(Pair(**shard.items[key]), said)
        reason = reason_without_line(batch)
        left = {key: unjudged(reason) for key in shard.items if key not in found}
        self._spent.failures.update({reason: len(left)} if left else {})
        return found | left

    def _judgement(self, pair: Pair, said: Mapping[str, Any]) -> Judgement:
        """The judgement in one line of a batch; a decision about the pair or an answer is kept, a failure is not."""
        response = said.get("response")
        if not isinstance(response, Mapping):
            error = error_of(0, said)  # its kind is "batch_expired"
            return self._unanswered(short(error.kind.replace("_", " ")) or "error without code", error.message)
        status, body = response.get("status_code"), response.get("body")
        if isinstance(status, int) and status != 200:
            return self._refused(pair, error_of(status, body))
        try:
            call = self._call(body)
        except StatusError as error:
            return self._refused(pair, error)
        except MalformedAnswer as error:
            return self._unanswered("malformed answer", str(error))
        assert isinstance(body, dict)  # _call would have raised
        self._spent.add(body)
        return self._noted(pair, call)

    def _refused(self, pair: Pair, error: StatusError) -> Judgement:
        learned = self._dialect.after(error)
        verdict = verdict_on(error, self.manifest.model, self.manifest.base_url or DEFAULT_BASE_URL, True)
        if verdict.reason == CONTENT_FILTER:
            return self._noted(pair, Call(self._unanswered(CONTENT_FILTER)))
        if learned is not None:
            self._stops[verdict.reason] = _NEEDS_DIALECT.format(error)
        elif verdict.action is Action.STOP:
            self._stops[verdict.reason] = verdict.message.rstrip(".")
        return self._unanswered(verdict.reason, error.message)

    def _unanswered(self, reason: str, said: str = "") -> Judgement:
        self._spent.failures[reason] += 1
        return unjudged(reason, said)
