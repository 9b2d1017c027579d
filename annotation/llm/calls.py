"""Every answered call of a run, in one SQLite file; an answer that is kept is never paid for again.

The ``calls`` table is the log that a person can query: stage, item, outcome, tokens, dollars, time. The file must be
on a local disk of the machine that asks: SQLite's write-ahead log does not work between machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from annotation.llm.outcome import KEPT, Outcome, from_json, to_json
from qreal_tasks.files.sqlite_file import SqliteFile, StoreKind, select
from qreal_tasks.llm.usage import Prices, Usage

_KIND = StoreKind(
    name="record of calls",
    application_id=0x5152414E,  # "QRAN"
    version=1,
    tables="""
    CREATE TABLE IF NOT EXISTS calls (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        stage TEXT NOT NULL,
        item TEXT NOT NULL,
        state TEXT NOT NULL,
        kept INTEGER NOT NULL,
        outcome TEXT NOT NULL,  -- JSON
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
class Spent:
    """What the calls of a stage have come to."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float


class CallRecord:
    """Any number of threads may use one, and others may read the file; ``SqliteFile`` says what survives what.

    Raises:
        StoreError: from any method, when the file is something else or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, _KIND)

    def get_many(self, keys: Iterable[str]) -> dict[str, Outcome]:
        """The kept ones among ``keys``."""
        found: dict[str, Outcome] = {}
        with self._file.use() as db:
            query = "SELECT key, outcome FROM calls WHERE kept AND key IN (?) ORDER BY id"
            for key, text in select(db, query, keys):
                found.setdefault(key, from_json(text))
        return found

    def costs(self, keys: Iterable[str]) -> dict[str, float]:
        """Dollars by key, repeated calls included; a key without a price is left out."""
        found: dict[str, float] = {}
        with self._file.use() as db:
            query = "SELECT key, cost_usd FROM calls WHERE cost_usd IS NOT NULL AND key IN (?) ORDER BY id"
            for key, cost in select(db, query, keys):
                found[key] = found.get(key, 0.0) + cost
        return found

    def put(self, key: str, stage: str, item: str, outcome: Outcome, usage: Usage, prices: Prices | None) -> None:
        """Log the call before returning. One program at a time works on a run: nobody else has answered meanwhile."""
        kept = outcome.state in KEPT
        row = (
            key,
            stage,
            item,
            str(outcome.state),
            kept,
            to_json(outcome),
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.completion_tokens,
            None if prices is None else usage.cost_usd(prices),
            datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        with self._file.use() as db:
            db.execute(f"INSERT INTO calls VALUES (NULL, {', '.join('?' * len(row))})", row)

    def spent(self) -> Mapping[str, Spent]:
        """By stage, over all programs that used the file."""
        with self._file.use() as db:
            rows: list[tuple[Any, ...]] = db.execute(
                "SELECT stage, count(*), sum(prompt_tokens), sum(completion_tokens), total(cost_usd) FROM calls "
                "GROUP BY stage ORDER BY stage"
            ).fetchall()
        return {stage: Spent(*rest) for stage, *rest in rows}

    def close(self) -> None:
        """Give the file back; it cannot be used after it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
