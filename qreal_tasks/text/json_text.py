"""JSON texts that others wrote: servers, files, uploads."""

from __future__ import annotations

import json
from typing import Any

MOST_LEVELS = 64
"""Values inside of one another; those of a chat completion are ten at most. Whoever prints or searches a value calls
itself as often."""


class DeepJsonError(ValueError):
    """A JSON value is nested deeper than ``MOST_LEVELS``."""

    def __init__(self) -> None:
        super().__init__(f"it is nested deeper than {MOST_LEVELS} levels")


def load_json(text: str | bytes, **options: Any) -> Any:
    """Read a JSON text; options as of ``json.loads``.

    >>> load_json("[" * 65 + "]" * 65)
    Traceback (most recent call last):
    qreal_tasks.text.json_text.DeepJsonError: it is nested deeper than 64 levels

    Raises:
        ValueError: it is no JSON, or nested too deep (``DeepJsonError``).
    """
    try:
        found = json.loads(text, **options)
    except RecursionError:
        raise DeepJsonError from None
    opening = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if sum(map(text.count, opening)) > MOST_LEVELS:  # type: ignore[arg-type]
        check_depth(found)
    return found


def check_depth(found: object) -> None:
    """Refuse a value that is nested too deep.

    Raises:
        DeepJsonError: it is.
    """
    level: list[Any] = [found]
    for _ in range(MOST_LEVELS + 1):
        level = [one for one in level if isinstance(one, dict | list)]
        if not level:
            return
        level = [inside for one in level for inside in (one.values() if isinstance(one, dict) else one)]
    raise DeepJsonError
