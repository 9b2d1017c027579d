"""Why a submission is refused: every reason, each with what was found, what was expected, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

MOST_OF_A_KIND = 5
"""How many problems of one kind are spelled out; the rest is counted."""


class Rule(StrEnum):
    """What a submission must keep to, named by what is wrong where it does not."""

    FOLDER = "folder"
    """A file that does not belong, a link, a missing file."""
    TOO_LARGE = "too large"
    DAMAGED = "damaged file"
    CHANGED = "changed after packing"
    MANIFEST = "manifest"
    ID = "id"
    RECORD = "record"
    """A line of the samples that is no record."""
    VERSION = "version"
    """The version of a task, of the prompts or of a record."""
    PROMPTS = "prompts"
    """Tasks of another style than the manifest says, or other words around the questions."""
    DATA = "data"
    """Another dataset or revision."""
    DRAWN = "drawn pictures"
    """Pictures that ``qreal mini`` drew."""
    INCOMPLETE = "incomplete"
    """Missing, extra or repeated samples or tasks."""
    REFERENCE = "reference"
    """What the dataset says was edited."""
    PARSED = "parsed value"
    """What was read does not follow from the raw text."""
    IMPOSSIBLE = "impossible value"
    PRIVATE = "private text"
    """A key, an address or a path."""
    JUDGE = "judge"
    NUMBER = "number"
    """A submitted number that is not the recomputed one."""
    COPY = "copy"
    """The answers of another submission."""
    CHECK = "check"
    """The check itself failed on it."""


@dataclass(frozen=True)
class Refusal:
    """One reason why a submission is refused."""

    kind: Rule
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


def shorten(problems: Iterable[Refusal]) -> list[Refusal]:
    """The first few of each kind, and how many more there are; in order of first appearance."""
    by_kind: dict[Rule, list[Refusal]] = {}
    for problem in problems:
        by_kind.setdefault(problem.kind, []).append(problem)
    return [problem for kind, some in by_kind.items() for problem in _first(kind, some)]


def _first(kind: Rule, problems: Sequence[Refusal]) -> list[Refusal]:
    rest = len(problems) - MOST_OF_A_KIND
    shown = list(problems[:MOST_OF_A_KIND])
    return [*shown, Refusal(kind, f"… and {rest:,} more of this kind")] if rest > 0 else shown
