"""Every answered call of a run, in one SQLite file; an answer that is kept is never paid for again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.llm.outcome import KEPT, Outcome
from annotation.llm.request import ModelRequest, Submitted
from annotation.run.schemas import State
from qreal_tasks.files.sqlite_file import StoreKind, select
from qreal_tasks.llm.calls import Call, CallStore, calls_table


@dataclass(frozen=True)
class Spent:
    """What the calls of a stage have come to."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float


class CallRecord(CallStore[ModelRequest | Submitted, Outcome]):
    """The calls of one run. One program at a time works on it; others may read the file."""

    kind = StoreKind(
        name="record of calls",
        application_id=0x5152414E,  # "QRAN"
        version=1,
        tables=calls_table(
            """stage TEXT NOT NULL,
        item TEXT NOT NULL,
        state TEXT NOT NULL,
        kept INTEGER NOT NULL,
        outcome TEXT NOT NULL"""
        ),
    )
    answer_columns = "outcome"

    def is_kept(self, answer: Outcome) -> bool:
        return answer.state in KEPT

    def describe(self, question: ModelRequest | Submitted, call: Call[Outcome]) -> dict[str, Any]:
        columns = {"stage": question.form.stage, "item": question.item_id, "state": str(call.answer.state)}
        # ASCII, since half a surrogate pair has no UTF-8.
        return {**columns, "outcome": json.dumps({**vars(call.answer), "state": columns["state"]})}

    def read_answer(self, *columns: Any) -> Outcome:
        outcome = json.loads(columns[0])
        return Outcome(**{**outcome, "state": State(outcome["state"])})

    def costs(self, keys: Iterable[str]) -> dict[str, float]:
        """Dollars by key, repeated calls included; a key without a price is left out."""
        found: dict[str, float] = {}
        with self.use() as db:
            query = "SELECT key, cost_usd FROM calls WHERE cost_usd IS NOT NULL AND key IN (?) ORDER BY id"
            for key, cost in select(db, query, keys):
                found[key] = found.get(key, 0.0) + cost
        return found

    def spent(self) -> Mapping[str, Spent]:
        """By stage, over all programs that used the file."""
        with self.use() as db:
            rows: list[tuple[Any, ...]] = db.execute(
                "SELECT stage, count(*), sum(prompt_tokens), sum(completion_tokens), total(cost_usd) FROM calls "
                "GROUP BY stage ORDER BY stage"
            ).fetchall()
        return {stage: Spent(*rest) for stage, *rest in rows}
