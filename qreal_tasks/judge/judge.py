"""The judge of LLM-Score: pairs of descriptions in, judgements out, each pair paid for once.

with Judge("gpt-4o") as judge:
    print(judge.score("The hand has six fingers.", "A hand with too many fingers.").score)
    scores = [judgement.score for judgement in judge.judge(pairs)]
print(judge)
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, overload

from qreal_tasks.files import user_cache
from qreal_tasks.judge.cache import JudgeCache
from qreal_tasks.judge.manifest import JudgeManifest, load_manifest
from qreal_tasks.judge.pairs import Judgement, Pair, pair_texts
from qreal_tasks.judge.question import PairQuestion
from qreal_tasks.llm.arguments import DEFAULT_BASE_URL
from qreal_tasks.llm.cached_client import CachedClient
from qreal_tasks.llm.chat import ChatClient
from qreal_tasks.llm.event_loop import EventLoopThread
from qreal_tasks.llm.options import RequestOptions
from qreal_tasks.llm.usage import Usage
from qreal_tasks.records import NO_REASON

if TYPE_CHECKING:
    import pandas as pd

    Texts = list[str] | tuple[str, ...] | pd.Series[str]

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


class Judge:
    """A judge; asks ``concurrency`` pairs at a time, over all threads that call it, so a process needs one.

    The manifest alone says which server is asked: ``OPENAI_BASE_URL`` does not count, since a score depends on it. What
    the cache holds needs no key and opens no connection.

    Args:
        manifest: or what ``load_manifest`` takes: the name of a packaged judge, or the path of a YAML file.
        cache: the file for judgements, by default that of the user; any number of processes may share it.
        timeout_s: of one attempt.
        max_retries: of one pair, after time-outs, lost connections, 408, 409, 429 and 5xx.
        api_key: default ``OPENAI_API_KEY``; a server of one's own needs none.
        first_wait_s: before the first retry when the server names no time; three times as long before each next one.

    Raises:
        ManifestError: there is no such judge, or its file is not as expected.
        StoreError: the cache file is something else or damaged.
    """

    def __init__(
        self,
        manifest: JudgeManifest | str | Path,
        cache: str | Path | None = None,
        *,
        concurrency: int = 64,
        timeout_s: float = 60,
        max_retries: int = 6,
        api_key: str | None = None,
        first_wait_s: float = 0.1,
    ) -> None:
        manifest = manifest if isinstance(manifest, JudgeManifest) else load_manifest(manifest)
        self.manifest, self._hash = manifest, manifest.exact_hash
        self._prices = manifest.prices
        self._options = RequestOptions("max_tokens", None, manifest.temperature, manifest.seed, "json_schema")
        self.counts: Counter[str] = Counter()
        """Pairs by what came of them: "scored", "from cache", "empty prediction", or the reason for no score."""
        self.examples: dict[str, str] = {}
        """For a reason for no score, what came instead once."""
        self._new_client = partial(
            ChatClient,
            manifest.model,
            base_url=manifest.base_url or DEFAULT_BASE_URL,
            api_key=api_key,
            options=self._options,
            concurrency=concurrency,
            timeout_s=timeout_s,
            max_retries=max_retries,
            first_wait_s=first_wait_s,
            prices=self._prices,
        )
        self._cache = JudgeCache(cache or cache_path())
        self._lock = threading.Lock()
        self._client: ChatClient | None = None
        self._thread: EventLoopThread[CachedClient[PairQuestion, Judgement]] | None = None

    @property
    def usage(self) -> Usage:
        """Tokens, retries and failures since the judge was made; what came from the cache is not in it."""
        return Usage() if self._client is None else self._client.usage

    def cost(self) -> float | None:
        """Dollars spent since the judge was made; None when the manifest names no prices."""
        return None if self._prices is None else self.usage.cost_usd(self._prices)

    def __repr__(self) -> str:
        counted = ", ".join(f"{count:,} {outcome}" for outcome, count in self.counts.most_common())
        cost = self.cost()
        spent = "" if cost is None else f", ${cost:.4f}"
        return f"Judge({self.manifest.title}: {counted or 'nothing asked yet'}{spent})"

    @overload
    def score(self, predicted: str, reference: str) -> Judgement: ...
    @overload
    def score(self, predicted: Texts, reference: Texts) -> list[Judgement]: ...
    def score(self, predicted: str | Texts, reference: str | Texts) -> Judgement | list[Judgement]:
        """Score how well a predicted description means what the reference says: one pair, or many.

        Raises:
            ValueError: one text and several, not as many of the one as of the other, or something that is no text.
            StoppedRun, StoreError: as ``judge``.
        """
        judged = self.judge(pair_texts(predicted, reference))
        return judged[0] if isinstance(predicted, str) else judged

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
        missing: dict[str, PairQuestion] = {}
        for at, pair in enumerate(pairs):
            known = without_asking(pair)
            if known is None:
                question = self._question(pair)
                places.setdefault(question.key, []).append(at)
                missing[question.key] = question
            else:
                yield from self._counted([at], known, EMPTY_PREDICTION)
        for key, judgement in self._cache.get_many(places).items():
            del missing[key]
            yield from self._counted(places[key], judgement, FROM_CACHE, FROM_CACHE)
        for key in [key for key in missing if key in self._cache.unusable]:
            del missing[key]
            yield from self._counted(places[key], self._cache.unusable[key], SCORED)
        if missing:
            for key, judgement in self._ask(missing):
                yield from self._counted(places[key], judgement, SCORED)

    def close(self) -> None:
        """End what is under way, close the connections and the cache; a judge that is not closed ends with the
        program."""
        if self._thread is not None:
            self._thread.close()
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
            if judgement.text:
                self.examples.setdefault(outcome, judgement.text)
        return ((at, judgement) for at in places)

    def _question(self, pair: Pair) -> PairQuestion:
        return PairQuestion(self.manifest, self._hash, pair)

    def _ask(self, missing: Mapping[str, PairQuestion]) -> Iterator[tuple[str, Judgement]]:
        thread, questions = self._opened(), list(missing.values())
        return thread.iterate(
            lambda put: thread.resource.answer_all(questions, lambda answered: put((answered[0].key, answered[1])))
        )

    def _opened(self) -> EventLoopThread[CachedClient[PairQuestion, Judgement]]:
        """The event loop and the client in it, made when the first pair has to be asked."""
        with self._lock:
            if self._thread is None:
                client = self._client = self._new_client()
                cache, advice = self._cache, f"into the manifest of {self.manifest.name}, which then is another judge"
                # Without ``self``, which a running thread would keep from being collected.
                self._thread = EventLoopThread(lambda: CachedClient(lambda: client, cache, advice), "judge")
            return self._thread
