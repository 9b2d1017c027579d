"""What a check finds, and the messages about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

_OF_A_COLUMN = frozenset({"null", "image", "size", "orientation"})
"""Kinds that a whole column can have for one reason."""


class RowFinding(NamedTuple):
    """One thing that is wrong with a row."""

    item: str
    """The row's id, or the entity's where the row holds several."""
    kind: str
    message: str


@dataclass(frozen=True)
class DatasetProblem:
    """One thing that is wrong: where, what was found, what was expected."""

    config: str
    split: str
    row: int | None
    """None: all of the split, or many of its rows."""
    item: str
    kind: str
    message: str

    def __str__(self) -> str:
        place = "" if self.row is None else f" row {self.row}, {self.item}"
        return f"{self.config}/{self.split}{place}: {self.message}"


@dataclass(frozen=True)
class SplitSize:
    """How much a split of a config holds."""

    rows: int
    entities: int
    """Listed in its rows; of objectqa, none."""


def merge_repeated(
    problems: Sequence[DatasetProblem], sizes: Mapping[tuple[str, str], SplitSize]
) -> list[DatasetProblem]:
    """The problems, with one in place of those that a column has in all rows, or all entities, of a split.

    Args:
        problems: of any splits.
        sizes: by config and split.
    """
    rows_of: dict[DatasetProblem, list[int | None]] = {}
    for problem in problems:
        rows_of.setdefault(_alike(problem), []).append(problem.row)
    kept: dict[DatasetProblem, DatasetProblem] = {}
    for problem in problems:
        alike, size = _alike(problem), sizes[problem.config, problem.split]
        rows = rows_of[alike]
        everywhere = len(set(rows)) == size.rows or len(rows) == size.entities
        if problem.kind in _OF_A_COLUMN and len(rows) > 1 and everywhere:
            hint = "; do the files of this split lack the column?" if problem.kind == "null" else ""
            kept[alike] = replace(alike, message=f"in every row: {problem.message}{hint}")
        else:
            kept[problem] = problem
    return list(kept.values())


def _alike(problem: DatasetProblem) -> DatasetProblem:
    return replace(problem, row=None, item="")
