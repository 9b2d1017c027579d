"""What a language-model stage asks about a shard: for every row a request, or the row itself when nothing is to ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from annotation.llm.outcome import Outcome
from annotation.llm.request import ModelRequest

Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One row of a shard to be."""

    request: ModelRequest | None
    row: Callable[[Outcome | None], Row]
    """Called with the outcome of the request, or with None when there is no request."""


def fixed(row: Row) -> Task:
    """A row for which nothing is asked."""
    return Task(None, lambda _: row)


def source_of(request: ModelRequest, outcome: Outcome) -> Row:
    """Columns that say who said it."""
    return {
        "model": outcome.model,
        "system_fingerprint": outcome.system_fingerprint,
        "prompt_version": request.prompt_title,
        "call_key": request.key,
    }


NO_SOURCE: Row = dict.fromkeys(("model", "system_fingerprint", "prompt_version", "call_key"))
"""The same columns of a row for which nothing was asked."""
