"""The judge over OpenAI's Batch API: the same requests at half the price, answered within 24 hours.

with BatchJudge(load_manifest("gpt-4o"), cache_path()) as judge:
    scores = [judgement.score for judgement in judge.judge(pairs)]

A program that is stopped or killed is started again with the same pairs and goes on with the batches it had created.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import openai

from qreal_tasks.judge.judge import Judge
from qreal_tasks.judge.manifest import JudgeManifest
from qreal_tasks.judge.pairs import Judgement, Pair
from qreal_tasks.judge.question import PairQuestion
from qreal_tasks.llm.arguments import DEFAULT_BASE_URL, api_key_for
from qreal_tasks.llm.batch.api import BatchApi
from qreal_tasks.llm.batch.harvester import BatchHarvester, BatchProgress, Line
from qreal_tasks.llm.batch.limits import BatchLimits, batch_prices
from qreal_tasks.llm.batch.state import opened
from qreal_tasks.llm.client import openai_client
from qreal_tasks.llm.usage import Usage

_POLL_S = 30.0


class BatchJudge(Judge):
    """A ``Judge`` that asks in batches; ``iterate`` yields the answers of a batch when it has ended.

    What a pair comes to is the same as live, with two more reasons for no score: "batch expired" (cancelled, failed)
    and "no answer in batch". Such pairs, like all that are not kept, are submitted again by the next start.

    Args:
        state: the file that says which batches are under way; default beside the cache, one for each manifest.
        client: default one for the manifest's server.
        watch: told how the batches stand, after every submission and every look.

    Raises:
        StoreError: the cache file is something else or damaged.
    """

    def __init__(
        self,
        manifest: JudgeManifest,
        cache: str | Path,
        *,
        limits: BatchLimits | None = None,
        state: Path | None = None,
        client: openai.OpenAI | None = None,
        api_key: str | None = None,
        watch: Callable[[BatchProgress], None] = lambda progress: None,
    ) -> None:
        super().__init__(manifest, cache)
        self.watch = watch
        self._limits = limits or BatchLimits(_POLL_S)
        self._prices = manifest.prices and batch_prices(manifest.prices)
        self._spent = Usage()
        self._openai, self._api_key = client, api_key
        self._state = state or Path(f"{cache}.batches-{manifest.exact_hash[:12]}.json")

    @property
    def usage(self) -> Usage:
        """Tokens and money of every batch collected, also for pairs that an earlier program had submitted."""
        return self._spent

    def _ask(self, missing: Mapping[str, PairQuestion]) -> Iterator[tuple[str, Judgement]]:
        """Submit what is in no batch yet, then wait for all that hold a missing pair.

        Raises:
            StoppedRun: beside what ``judge`` names, when all is collected: the server refused a whole batch, or
                requests for a reason that all of them share.
            ValueError: the request of one pair is larger than a batch may be; nothing is submitted.
        """
        api = BatchApi(self._client_of_batches(), self.manifest.model, self._limits.poll_s)
        with opened(self._state, self._hash) as state:
            stored = self._cache.get_many(missing)  # by a program that ended before this one had the state
            yield from stored.items()
            missing = {key: question for key, question in missing.items() if key not in stored}
            harvester = BatchHarvester(
                api,
                state,
                self._cache,
                lambda _, item: self._question(Pair(**item)),
                options=self._options,
                prices=self._prices,
                limits=self._limits,
                usage=self._spent,
                watch=self.watch,
            )
            under_way = harvester.recover()
            lines = [self._line(question) for key, question in missing.items() if key not in under_way]
            for line in lines:
                harvester.encode(line)
            harvester.submit(lines)
            for harvest in harvester.collect(missing):
                failed = {key: missing[key].give_up(harvest.failures[key]) for key in missing.keys() & harvest.failures}
                yield from ((key, found) for key, found in (harvest.answers | failed).items() if key in missing)
        if (stop := harvester.stop()) is not None:
            raise stop

    def _client_of_batches(self) -> openai.OpenAI:
        if self._openai is not None:
            return self._openai
        url = self.manifest.base_url or DEFAULT_BASE_URL
        return openai_client(url, api_key_for(self._api_key, url))

    def _line(self, question: PairQuestion) -> Line:
        item: dict[str, Any] = vars(question.pair)
        return Line(question.key, dict(item), question.body(question.messages(), self._options))
