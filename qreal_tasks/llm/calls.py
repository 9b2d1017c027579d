"""Every answered call to a model, in one SQLite file; an answer that is kept is never paid for again.

The ``calls`` table is the log that a person can query: what was asked, what came of it, tokens, dollars, time. A call
with ``kept`` set answers its question for good; the others are asked again by the next program.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from qreal_tasks.files.sqlite_file import SqliteFile, StoreKind, select
from qreal_tasks.llm.errors.retry import RetryDecision
from qreal_tasks.llm.usage import Prices, Usage

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class KeyedQuestion(Protocol[Answer_co]):
    """What is asked, as far as its replies need it."""

    @property
    def key(self) -> str:
        """A digest of everything that the answer depends on."""

    def read(self, completion: object) -> Answer_co:
        """The answer in a chat completion.

        Raises:
            MalformedAnswer, StatusError: there is none.
        """

    def give_up(self, decision: RetryDecision) -> Answer_co:
        """What stands for the answer when the request was given up."""


Asked = TypeVar("Asked", bound=KeyedQuestion[Any], contravariant=True)


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One answered request, and what it cost."""

    answer: Answer
    completion: Mapping[str, Any] = field(default_factory=dict)
    """As the server sent it; empty when its filter answered in the model's place."""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None

    @classmethod
    def of(cls, question: KeyedQuestion[Answer], completion: object, prices: Prices | None) -> Self:
        """The call that brought a chat completion.

        Raises:
            MalformedAnswer, StatusError: as ``KeyedQuestion.read``.
        """
        answer, usage = question.read(completion), Usage()
        assert isinstance(completion, Mapping)  # read would have raised
        usage.add(completion)
        return cls(answer, completion, usage, None if prices is None else usage.cost_usd(prices))


class CallStore(SqliteFile, ABC, Generic[Asked, Answer]):
    """The table of one file; ``SqliteFile`` says who may use it at once, and what survives what.

    The file must be on a disk of this machine: SQLite's write-ahead log does not work between machines.

    Raises:
        StoreError: from any method, when the file is something else or damaged.
    """

    kind: ClassVar[StoreKind]
    answer_columns: ClassVar[str]
    """The columns that ``read_answer`` takes."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, self.kind)
        self.unusable: dict[str, Answer] = {}
        """By key: answers that this object has logged and that are not kept. The same question would most likely bring
        the same again, so it is asked no second time; but what is wrong may be mended, so the next program asks."""

    @abstractmethod
    def is_kept(self, answer: Answer) -> bool:
        """Whether an answer is the question's for good."""

    @abstractmethod
    def describe(self, question: Asked, call: Call[Answer]) -> dict[str, Any]:
        """The columns of a call that only this kind of table has."""

    @abstractmethod
    def read_answer(self, *columns: Any) -> Answer:
        """The answer of a row that is kept."""

    def get_many(self, keys: Iterable[str]) -> dict[str, Answer]:
        """The kept answers among ``keys``: of each the first, also when two programs asked at once."""
        found: dict[str, Answer] = {}
        with self.use() as db:
            query = f"SELECT key, {self.answer_columns} FROM calls WHERE kept AND key IN (?) ORDER BY id"
            for key, *columns in select(db, query, keys):
                if key not in found:
                    found[key] = self.read_answer(*columns)
        return found

    def find(self, key: str) -> Answer | None:
        """The answer that is kept, else the unusable one that came before."""
        return self.get_many([key]).get(key, self.unusable.get(key))

    def put(self, question: Asked, call: Call[Answer]) -> Answer:
        """Log the call before returning; the answer that counts is returned.

        When another program has kept an answer to the same question meanwhile, that one counts, so that this run and
        every later one report the same.
        """
        kept = self.is_kept(call.answer)
        row = {
            "key": question.key,
            "kept": kept,
            **self.describe(question, call),
            "prompt_tokens": call.usage.prompt_tokens,
            "cached_tokens": call.usage.cached_tokens,
            "completion_tokens": call.usage.completion_tokens,
            "cost_usd": call.cost_usd,
            "answered_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        names, places = ", ".join(row), ", ".join("?" * len(row))
        with self.use() as db:
            db.execute(f"INSERT INTO calls ({names}) VALUES ({places})", tuple(row.values()))
        if kept:
            return self.get_many([question.key])[question.key]
        self.unusable[question.key] = call.answer
        return call.answer

    def __len__(self) -> int:
        """Calls logged."""
        with self.use() as db:
            return int(db.execute("SELECT count(*) FROM calls").fetchone()[0])


def calls_table(own_columns: str) -> str:
    """The statements that make a table, for ``StoreKind.tables``.

    Args:
        own_columns: between the key and the tokens, the flag ``kept`` among them, for earlier releases wrote rows by
            the order of columns.
    """
    return f"""
    CREATE TABLE IF NOT EXISTS calls (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        {own_columns},
        prompt_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        cost_usd REAL,
        answered_at TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS kept_calls ON calls (key) WHERE kept;
    """
