"""A pair of descriptions as a question to a judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from qreal_tasks.judge.manifest import JudgeManifest
from qreal_tasks.judge.pairs import Judgement, Pair, unjudged
from qreal_tasks.judge.prompt import RESPONSE_FORMAT, render_messages
from qreal_tasks.judge.reading import read_judgement
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, RetryDecision
from qreal_tasks.llm.options import RequestOptions


@dataclass(frozen=True)
class PairQuestion:
    """One pair and the judge that is asked about it."""

    manifest: JudgeManifest
    judge_hash: str
    """``manifest.exact_hash``, which takes longer to compute than all that is done with a pair."""
    pair: Pair

    @cached_property
    def key(self) -> str:
        """SHA-256 over the judge's hash and both descriptions."""
        asked = [self.judge_hash, self.pair.predicted, self.pair.reference]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def messages(self) -> list[dict[str, Any]]:
        """As ``render_messages``."""
        return render_messages(self.manifest, self.pair)

    def body(self, messages: list[dict[str, Any]], options: RequestOptions) -> Mapping[str, Any]:
        """The request."""
        return options.body(self.manifest.model, messages, self.manifest.max_tokens, schema=RESPONSE_FORMAT)

    def read(self, completion: object) -> Judgement:
        """As ``read_judgement``."""
        return read_judgement(completion)

    def give_up(self, decision: RetryDecision) -> Judgement:
        """A pair without a score."""
        filtered = decision.reason == CONTENT_FILTER
        return Judgement(None, CONTENT_FILTER) if filtered else unjudged(decision.reason, decision.message)
