"""Why items did not come through: counted by kind, with one example each of what came instead."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from annotation.run.schemas import State
from qreal_tasks.llm.errors.messages import short
from qreal_tasks.text.redaction import redact

_PLACE = re.compile(r"(:| at) line \d+ column \d+( \(char \d+\))?")


def told(kind: str, said: str) -> str:
    """A reason of few words, with what was said this time. Places in the text go: all items of a kind have one reason.
    What is private in it goes too: reasons are stored, shown and published.

    >>> told("no JSON: Expecting value: line 1 column 1 (char 0)", "Sorry!"), told("empty answer", "")
    ('no JSON: Expecting value: «Sorry!»', 'empty answer')
    """
    kind = _PLACE.sub("", kind)
    return redact(f"{kind}: «{short(said)}»" if said.strip() else kind)


@dataclass(frozen=True)
class Reason:
    """So many items ended for one reason."""

    count: int
    state: str
    kind: str
    said: str
    """What came once; may be empty."""

    def __str__(self) -> str:
        """As it follows the count."""
        kind = f": {self.kind}" if self.kind else ""
        return f"{self.state}{kind}" + (f", for example «{self.said}»" if self.said else "")


class Reasons:
    """Counts items that did not come through. Items that a stage was not asked about do not count."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._said: dict[tuple[str, str], str] = {}

    def add(self, state: str, reason: str, said: str = "") -> None:
        """Count one item, with the columns ``state`` and ``reason`` of its row.

        Args:
            said: the example, where the reason holds none.
        """
        if state in (State.DONE, State.SKIPPED):
            return
        kind, quoted, rest = reason.partition(": «")
        found = rest.removesuffix("»") if quoted else said
        if state == State.REFUSED:  # its reason is what the model said
            kind, found = "", reason
        self._counts[state, kind] += 1
        if found:
            self._said.setdefault((state, kind), found)

    @property
    def total(self) -> int:
        return self._counts.total()

    def count(self, *states: State) -> int:
        """Items that ended in one of these states."""
        return sum(count for (state, _), count in self._counts.items() if state in states)

    def most_common(self, most: int | None = None) -> list[Reason]:
        """The commonest reasons first."""
        return [
            Reason(count, state, kind, self._said.get((state, kind), ""))
            for (state, kind), count in self._counts.most_common(most)
        ]
