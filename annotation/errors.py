"""What the commands show as a message and not as a traceback."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qreal_tasks.text.one_line import one_line

if TYPE_CHECKING:
    from pydantic import ValidationError

_MOST_SHOWN = 40


class AnnotationError(ValueError):
    """The run cannot go on as it is; the message says which item, what was found, what was expected, what to do."""


@contextmanager
def add_hint(text: str) -> Iterator[None]:
    """Put a hint behind the message of an ``AnnotationError``."""
    try:
        yield
    except AnnotationError as error:
        raise AnnotationError(f"{error} ({text})") from None


def annotate_command(*words: object) -> str:
    """A command of ``qreal annotate`` as a shell takes it.

    >>> annotate_command("run", "my images/run", "--retry-failed")
    "qreal annotate run 'my images/run' --retry-failed"
    """
    return f"qreal annotate {shlex.join(map(str, words))}"


def first_fault(error: ValidationError) -> str:
    """The first fault that pydantic found: where, what was expected, and what was found where one value says it."""
    first = error.errors(include_url=False)[0]
    field, found = ".".join(map(str, first["loc"])), first["input"]
    where = f"{field}: " if field else ""
    shown = f", found {one_line(repr(found), _MOST_SHOWN)}" if isinstance(found, str | float | int | None) else ""
    return f"{where}{first['msg'].removeprefix('Value error, ')}{shown}"
