"""Reasons why items did not come through: counted by kind, with one example each of what came instead."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.run.schemas import State
from qreal_tasks.llm.errors.messages import short
from qreal_tasks.text.redaction import without_private

_PLACE = re.compile(r"(:| at) line \d+ column \d+( \(char \d+\))?")


def describe_failure(kind: str, answer: str) -> str:
    """Describe a failure in few words, with what came this time. Places in the text go: all items of a kind have one
    reason. What is private in it goes too: reasons are stored, shown and published.

    Args:
        answer: what came; may be empty.

    >>> describe_failure("no JSON: Expecting value: line 1 column 1 (char 0)", "Sorry!")
    'no JSON: Expecting value: «Sorry!»'
    """
    kind = _PLACE.sub("", kind)
    return without_private(f"{kind}: «{short(answer)}»" if answer.strip() else kind)


@dataclass(frozen=True)
class FailureReason:
    """How many items ended for one reason."""

    count: int
    state: str
    kind: str
    example: str
    """What came once; may be empty."""

    def __str__(self) -> str:
        """The reason as it follows the count."""
        kind = f": {self.kind}" if self.kind else ""
        return f"{self.state}{kind}" + (f", for example «{self.example}»" if self.example else "")


class FailureReasons:
    """Counts items that did not come through. Items that a stage was not asked about do not count."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], str] = {}

    def add(self, state: str, reason: str, example: str = "") -> None:
        """Count one item, with the columns ``state`` and ``reason`` of its row.

        Args:
            example: what came, where the reason holds no example.
        """
        if state in (State.DONE, State.SKIPPED):
            return
        kind, quoted, rest = reason.partition(": «")
        found = rest.removesuffix("»") if quoted else example
        if state == State.REFUSED:  # its reason is what the model said
            kind, found = "", reason
        self._counts[state, kind] += 1
        if found:
            self._examples.setdefault((state, kind), found)

    def add_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count the items of rows; a label is the example of a name that was not found."""
        for row in rows:
            self.add(row["state"], row["reason"], row.get("label", ""))

    @property
    def total(self) -> int:
        return self._counts.total()

    def count(self, *states: State) -> int:
        """Items that ended in one of these states."""
        return sum(count for (state, _), count in self._counts.items() if state in states)

    def most_common(self, most: int | None = None) -> list[FailureReason]:
        """List the reasons, the commonest first."""
        return [
            FailureReason(count, state, kind, self._examples.get((state, kind), ""))
            for (state, kind), count in self._counts.most_common(most)
        ]
