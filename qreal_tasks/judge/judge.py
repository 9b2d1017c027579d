"""LLM-Score's judge: pairs of descriptions in, judgements out, each pair paid for once.

with Judge(load_manifest("gpt-4o"), cache_path()) as judge:
    scores = [judgement.score for judgement in judge.judge(pairs)]
print(judge.counts, judge.cost())
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from qreal_tasks.files import user_cache
from qreal_tasks.judge.background import Background
from qreal_tasks.judge.cache import Call, JudgeCache
from qreal_tasks.judge.manifest import Manifest
from qreal_tasks.judge.pairs import Judgement, Pair, unjudged
from qreal_tasks.judge.prompt import messages, response_format
from qreal_tasks.judge.reading import judgement_of
from qreal_tasks.llm.chat import DEFAULT_BASE_URL, Asking, ChatClient
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, StoppedRun, Verdict
from qreal_tasks.llm.options import Dialect
from qreal_tasks.llm.usage import Usage
from qreal_tasks.records import NO_REASON

CACHE_ENVIRONMENT = "QREAL_JUDGE_CACHE"
SCORED = "scored"
FROM_CACHE = "from cache"
EMPTY_PREDICTION = "empty prediction"
EMPTY_REFERENCE = "empty reference"


def cache_path() -> Path:
    """Where judgements are kept: ``QREAL_JUDGE_CACHE``, else one file of the user for all runs."""
    chosen = os.environ.get(CACHE_ENVIRONMENT)
    if chosen:
        return Path(chosen).expanduser()
    return user_cache.user_cache_path("judgements.sqlite", f"--cache or {CACHE_ENVIRONMENT}")


def without_asking(pair: Pair) -> Judgement | None:
    """The judgement of a pair that needs no judge; None for all others.

    An empty prediction says nothing of what the reference says: 0 by the meaning of the scale, and not unjudged, or
    leaving descriptions out would raise the mean. An empty reference has nothing to compare with: unjudged.

    >>> without_asking(Pair("", "six fingers")), without_asking(Pair("six fingers", " "))
    (Judgement(score=0.0, reason=None), Judgement(score=None, reason='empty reference'))
    """
    if not pair.reference.strip():
        return Judgement(None, EMPTY_REFERENCE)
    if not pair.predicted.strip():
        return Judgement(0.0)
    return None


@dataclass
class _UnderWay:
    """One request and how many callers wait for it."""

    task: asyncio.Task[Judgement]
    waiting: int = 0

    def end(self) -> None:
        if self.task.done() and not self.task.cancelled():
            self.task.exception()  # looked at, or asyncio complains about errors that nobody waited for
        self.task.cancel()


class Judge:
    """Asks ``concurrency`` pairs at a time, over all threads that call it; one is enough for a process.

    The manifest alone says which server is asked: ``OPENAI_BASE_URL`` does not count, since a score depends on it. What
    the cache holds needs no key and opens no connection.

    Args:
        cache: the file for judgements; any number of processes may share it.
        timeout_s: of one attempt.
        max_retries: of one pair, after time-outs, lost connections, 408, 409, 429 and 5xx.
        api_key: default ``OPENAI_API_KEY``; a server of one's own needs none.
        first_wait_s: before the first retry when the server names no time; three times as long before each next one.

    Raises:
        StoreError: the cache file is something else or damaged.
    """

    def __init__(
        self,
        manifest: Manifest,
        cache: str | Path,
        *,
        concurrency: int = 64,
        timeout_s: float = 60,
        max_retries: int = 6,
        api_key: str | None = None,
        first_wait_s: float = 0.1,
    ) -> None:
        self.manifest, self._hash = manifest, manifest.exact_hash
        self._prices = manifest.prices
        self._dialect = Dialect("max_tokens", None, manifest.temperature, manifest.seed, "json_schema")
        self.counts: Counter[str] = Counter()
        """Pairs by what came of them: "scored", "from cache", "empty prediction", or the reason for no score."""
        self.said: dict[str, str] = {}
        """For a reason for no score, what came instead once."""
        self._settings: dict[str, Any] = {
            "concurrency": concurrency,
            "timeout_s": timeout_s,
            "max_retries": max_retries,
            "api_key": api_key,
            "first_wait_s": first_wait_s,
        }
        self._cache = JudgeCache(cache)
        self._lock = threading.Lock()
        self._client: ChatClient | None = None
        self._background: Background[Asking] | None = None
        self._under_way: dict[str, _UnderWay] = {}
        self._unusable: dict[str, Judgement] = {}
        """By the cache's key: pairs whose answer gave no score and is not kept. This judge asks them no second time."""

    @property
    def usage(self) -> Usage:
        """Tokens, retries and failures since the judge was made; what came from the cache is not in it."""
        return Usage() if self._client is None else self._client.usage

    def cost(self) -> float | None:
        """Dollars spent since the judge was made; None when the manifest names no prices."""
        return None if self._prices is None else self.usage.cost_usd(self._prices)

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """One judgement for every pair, in their order.

        Raises:
            StoppedRun: key, model, quota or address make every further request useless. What was answered is kept.
            StoreError: the cache cannot be read or written any more.
        """
        found = dict(self.iterate(pairs))
        return [found[index] for index in range(len(pairs))]

    def iterate(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Judgement]]:
        """Yield (index, judgement) for every pair: those that need no request first, the others as they come.

        Equal pairs are asked once, also when several threads ask them at once, and also when the answer cannot be used:
        the same question would most likely bring it again, so only a later judge asks it again. A request that failed
        brought no answer and may be repeated. Every answer is in the cache before it is yielded. Closing the iterator
        ends what is under way, but for what other threads wait for.

        Raises:
            StoppedRun, StoreError: as ``judge``.
        """
        places: dict[str, list[int]] = {}
        for at, pair in enumerate(pairs):
            known = without_asking(pair)
            if known is None:
                places.setdefault(self._cache.key(self._hash, pair), []).append(at)
            else:
                yield from self._counted([at], known, EMPTY_PREDICTION)
        stored = self._cache.get_many(places)
        for key, judgement in stored.items():
            yield from self._counted(places[key], judgement, FROM_CACHE, FROM_CACHE)
        unusable = {key: self._unusable[key] for key in places if key in self._unusable and key not in stored}
        for key, judgement in unusable.items():
            yield from self._counted(places[key], judgement, SCORED)
        missing = {key: pairs[at[0]] for key, at in places.items() if key not in stored and key not in unusable}
        if missing:
            for key, judgement in self._ask(missing):
                yield from self._counted(places[key], judgement, SCORED)

    def close(self) -> None:
        """End what is under way, close the connections and the cache; a judge that is not closed ends with the
        program."""
        if self._background is not None:
            self._background.close()
        self._cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _counted(
        self, places: Sequence[int], judgement: Judgement, scored: str, unscored: str | None = None
    ) -> Iterator[tuple[int, Judgement]]:
        outcome = scored if judgement.score is not None else unscored or judgement.reason or NO_REASON
        with self._lock:
            self.counts[outcome] += len(places)
            if judgement.said:
                self.said.setdefault(outcome, judgement.said)
        return ((at, judgement) for at in places)

    def _ask(self, missing: Mapping[str, Pair]) -> Iterator[tuple[str, Judgement]]:
        background = self._opened()

        async def work(put: Callable[[tuple[str, Judgement]], None]) -> None:
            asking = background.resource
            await asking.each(list(missing), lambda key: self._once(asking, key, missing[key]), put)

        return background.iterate(work)

    def _opened(self) -> Background[Asking]:
        """The connections, opened when the first pair has to be asked."""
        with self._lock:
            if self._background is None:
                manifest = self.manifest
                self._client = ChatClient(
                    manifest.model,
                    base_url=manifest.base_url or DEFAULT_BASE_URL,
                    dialect=self._dialect,
                    prices=self._prices,
                    **self._settings,
                )
                self._background = Background(self._client.open)
            return self._background

    async def _once(self, asking: Asking, key: str, pair: Pair) -> Judgement:
        """The answer to one request, whoever else waits for it. It ends with the last one who does."""
        if key not in self._under_way:
            self._under_way[key] = _UnderWay(asyncio.create_task(self._asked(asking, key, pair)))
        request = self._under_way[key]
        request.waiting += 1
        try:
            await asyncio.wait([request.task])  # which leaves the task alone when this caller is cancelled
            return request.task.result()
        finally:
            request.waiting -= 1
            if not request.waiting:
                del self._under_way[key]
                request.end()

    async def _asked(self, asking: Asking, key: str, pair: Pair) -> Judgement:
        # Another thread or process may have been quicker.
        known = self._cache.get_many([key]).get(key) or self._unusable.get(key)
        if known is not None:
            return known
        said = messages(self.manifest, pair)
        outcome = await asking.ask(lambda dialect: self._body(said, dialect), lambda found, _: self._call(found))
        if isinstance(outcome, Verdict):
            if outcome.reason != CONTENT_FILTER:
                return unjudged(outcome.reason, outcome.message)
            outcome = Call(Judgement(None, CONTENT_FILTER))
        return self._noted(pair, outcome)

    def _noted(self, pair: Pair, call: Call) -> Judgement:
        """The judgement that counts, logged; one that the cache does not keep for later judges this one remembers."""
        judgement = self._cache.put(self._hash, pair, call)
        if not call.kept:
            self._unusable[self._cache.key(self._hash, pair)] = judgement
        return judgement

    def _body(self, said: list[dict[str, str]], dialect: Dialect) -> dict[str, Any]:
        """The request; a setting that a score depends on is never dropped: the hash says that it was sent."""
        for name in ("temperature", "seed"):
            if getattr(dialect, name) != getattr(self.manifest, name):
                raise StoppedRun(
                    f"{self.manifest.model} rejects `{name}`; write `{name}: null` into the manifest of "
                    f"{self.manifest.name}, which then is another judge"
                )
        return {
            "model": self.manifest.model,
            "messages": said,
            **dialect.parameters(self.manifest.max_tokens, scored=False),
            **response_format(dialect.json_mode),
        }

    def _call(self, completion: object) -> Call:
        judgement = judgement_of(completion)
        assert isinstance(completion, dict)  # judgement_of would have raised
        return Call.of(completion, judgement, self._prices)
