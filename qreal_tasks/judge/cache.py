"""Every answered call to a judge, in one SQLite file; what a pair scored is found again there.

The ``calls`` table is the log that a person can query: pair, raw answer, outcome, model, tokens, dollars, time. A call
with ``kept`` set answers its pair for good; the others are asked again by the next run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from qreal_tasks.files.sqlite_file import SqliteFile, StoreKind, select
from qreal_tasks.judge.pairs import Judgement, Pair, unjudged
from qreal_tasks.llm.completions import REFUSED
from qreal_tasks.llm.errors.retry import CONTENT_FILTER
from qreal_tasks.llm.usage import Prices, Usage

KEPT_REASONS = frozenset({REFUSED, CONTENT_FILTER})
"""Decisions about the pair itself. An answer that is cut off, no JSON or out of range is another matter: the same
prompt at temperature 0 would most likely bring it again, so a ``Judge`` remembers it and asks no second time; but it is
a fault of the server or its settings, which a person mends, so the next run asks again."""

_KIND = StoreKind(
    name="judge cache",
    application_id=0x51524A55,  # "QRJU"
    version=1,
    tables="""
    CREATE TABLE IF NOT EXISTS calls (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        manifest TEXT NOT NULL,
        pair TEXT NOT NULL,  -- JSON: predicted, reference
        score REAL,
        reason TEXT,
        kept INTEGER NOT NULL,
        answer TEXT,  -- JSON: the message as it came
        model TEXT,
        system_fingerprint TEXT,
        prompt_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        cost_usd REAL,
        answered_at TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS kept_calls ON calls (key) WHERE kept;
    """,
)


@dataclass(frozen=True)
class Call:
    """What one answered request brought."""

    judgement: Judgement
    answer: object = None
    """The message as it came; None when the server's filter answered in the model's place."""
    model: str | None = None
    """As the server names it."""
    system_fingerprint: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None

    @classmethod
    def of(cls, completion: Mapping[str, Any], judgement: Judgement, prices: Prices | None) -> Call:
        """From a chat completion that has been read."""
        usage = Usage()
        usage.add(completion)
        return cls(
            judgement,
            completion["choices"][0].get("message"),
            _text_or_none(completion.get("model")),
            _text_or_none(completion.get("system_fingerprint")),
            usage,
            usage.cost_usd(prices) if prices else None,
        )

    @property
    def kept(self) -> bool:
        """Whether it answers its pair in later runs too."""
        return self.judgement.score is not None or self.judgement.reason in KEPT_REASONS


class JudgeCache:
    """Any number of processes and threads may use one file at once; ``SqliteFile`` says what survives what.

    Raises:
        StoreError: from any method, when the file is something else or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = SqliteFile(path, _KIND)

    @staticmethod
    def key(manifest_hash: str, pair: Pair) -> str:
        """SHA-256 over the manifest's hash and both descriptions."""
        return hashlib.sha256(json.dumps([manifest_hash, pair.predicted, pair.reference]).encode()).hexdigest()

    def get_many(self, keys: Iterable[str]) -> dict[str, Judgement]:
        """The kept ones among ``keys``."""
        found: dict[str, Judgement] = {}
        with self._file.use() as db:
            query = "SELECT key, score, reason, answer FROM calls WHERE kept AND key IN (?) ORDER BY id"
            for key, score, reason, answer in select(db, query, keys):
                said = Judgement(score) if reason is None else unjudged(reason, _said(answer))
                found.setdefault(key, said)  # the first, also when two processes asked at once
        return found

    def put(self, manifest_hash: str, pair: Pair, call: Call) -> Judgement:
        """Log the call before returning; the judgement that counts is returned.

        When another process has kept an answer to the same pair meanwhile, that one counts, so that this run and every
        later one report the same.
        """
        key, usage = self.key(manifest_hash, pair), call.usage
        row = (
            key,
            manifest_hash,
            # Escaped to ASCII: half an emoji is no text to SQLite.
            json.dumps([pair.predicted, pair.reference]),
            call.judgement.score,
            call.judgement.reason,
            call.kept,
            json.dumps(call.answer),
            call.model,
            call.system_fingerprint,
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.completion_tokens,
            call.cost_usd,
            datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        with self._file.use() as db:
            db.execute(f"INSERT INTO calls VALUES (NULL, {', '.join('?' * len(row))})", row)
        return self.get_many([key])[key] if call.kept else call.judgement

    def __len__(self) -> int:
        """Calls logged."""
        with self._file.use() as db:
            return int(db.execute("SELECT count(*) FROM calls").fetchone()[0])

    def close(self) -> None:
        """Give the file back; the cache cannot be used after it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _text_or_none(said: object) -> str | None:
    """As a string SQLite can hold, since a server may send anything."""
    return None if said is None else str(said).encode(errors="replace").decode()


def _said(answer: str | None) -> str:
    """What a message says instead of a score: its refusal, else its text."""
    message = json.loads(answer or "null")
    said = (message.get("refusal") or message.get("content")) if isinstance(message, dict) else None
    return said if isinstance(said, str) else ""
