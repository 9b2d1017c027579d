"""Types that several test files share, and `present` for a value that a test knows to be there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from qreal_tasks.records import GroundingRecord, JudgmentRecord, Region

FloatArray: TypeAlias = npt.NDArray[np.float64]

Judged: TypeAlias = Callable[..., JudgmentRecord]
JudgedRows: TypeAlias = Callable[..., list[JudgmentRecord]]
RandomJudged: TypeAlias = Callable[..., list[JudgmentRecord]]
BuildRegion: TypeAlias = Callable[..., Region]
Grounded: TypeAlias = Callable[..., GroundingRecord]
RandomGrounded: TypeAlias = Callable[..., list[GroundingRecord]]
"""What the fixtures of `tests/qreal_tasks/metrics/conftest.py` build."""

Row: TypeAlias = tuple[Any, ...]
"""Reference, answer, perhaps P(Yes) and other fields: a row of `judged_rows`."""

Change: TypeAlias = dict[str, Any]
"""Fields of a record and what a test puts there, right or wrong."""

Pairs: TypeAlias = Sequence[tuple[int, int]]

T = TypeVar("T")


def present(value: T | None) -> T:
    """The value, which is not None; fails the test where it is."""
    assert value is not None
    return value
