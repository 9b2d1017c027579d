"""Every answered call to a judge, in one SQLite file; what a pair scored is found again there."""

from __future__ import annotations

import json
from typing import Any

from qreal_tasks.files.sqlite_file import Kind
from qreal_tasks.judge.pairs import Judgement, unjudged
from qreal_tasks.judge.question import PairQuestion
from qreal_tasks.llm.calls import Call, CallStore, calls_table
from qreal_tasks.llm.completions import REFUSED
from qreal_tasks.llm.errors.messages import writable
from qreal_tasks.llm.errors.retry import CONTENT_FILTER

KEPT_REASONS = frozenset({REFUSED, CONTENT_FILTER})
"""Decisions about the pair itself. An answer that is cut off, no JSON or out of range is another matter: it is a fault
of the server or its settings, which a person mends."""


class JudgeCache(CallStore[PairQuestion, Judgement]):
    """The calls of all judges; any number of processes and threads may use one file at once."""

    kind = Kind(
        name="judge cache",
        application_id=0x51524A55,  # "QRJU"
        version=1,
        tables=calls_table(
            """manifest TEXT NOT NULL,
        pair TEXT NOT NULL,  -- JSON: predicted, reference
        score REAL,
        reason TEXT,
        kept INTEGER NOT NULL,
        answer TEXT,  -- JSON: the message as it came
        model TEXT,
        system_fingerprint TEXT"""
        ),
    )
    answer_columns = "score, reason, answer"

    def is_kept(self, answer: Judgement) -> bool:
        """Whether it is a score or a decision about the pair."""
        return answer.score is not None or answer.reason in KEPT_REASONS

    def describe(self, question: PairQuestion, call: Call[Judgement]) -> dict[str, Any]:
        """Judge, pair, judgement and what the server sent."""
        sent, pair = call.completion, question.pair
        return {
            "manifest": question.judge_hash,
            # Escaped to ASCII: half an emoji is no text to SQLite.
            "pair": json.dumps([pair.predicted, pair.reference]),
            "score": call.answer.score,
            "reason": call.answer.reason,
            "answer": json.dumps(sent["choices"][0].get("message") if sent else None),
            **{name: _text_or_none(sent.get(name)) for name in ("model", "system_fingerprint")},
        }

    def read_answer(self, *columns: Any) -> Judgement:
        """The score, or the reason for none with what the message said instead: its refusal, else its text."""
        score, reason, answer = columns
        if reason is None:
            return Judgement(score)
        message = json.loads(answer or "null")
        text = (message.get("refusal") or message.get("content")) if isinstance(message, dict) else None
        return unjudged(reason, text if isinstance(text, str) else "")


def _text_or_none(sent: object) -> str | None:
    """A string that SQLite can hold, since a server may send anything."""
    return None if sent is None else writable(str(sent))
