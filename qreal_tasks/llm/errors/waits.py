"""How long a server asks to wait, in its headers or in its words."""

from __future__ import annotations

import email.utils
import math
import random
import re
import time
from collections.abc import Mapping

from qreal_tasks.llm.errors.messages import StatusError

MAX_BACK_OFF_S = 60.0
MAX_NAMED_WAIT_S = 600.0
"""A server that asks for a longer wait has run out of a daily allowance: waiting holds a slot for hours."""

_UNITS_S = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_ONE = r"\d+(?:\.\d+)?\s*(?:ms|milliseconds?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?)"
_DURATION = re.compile(rf"(?:{_ONE}[\s,]*(?:and\s+)?)*{_ONE}(?![a-z])")
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milli|s|m|h|d)")
_ASKED = re.compile(r"\b(?:retry|retrying|try again|wait|available again|resets?)\b(?:\W+[a-z]+){0,3}?\W*(?=\d)")


def wait_s(error: Exception, attempt: int, first_wait_s: float) -> float:
    """Seconds to wait before attempt ``attempt + 1``: max(what the server asks for, first_wait_s * 3 ** (attempt - 1)).

    The server tells many requests the same time, and a limit lets only a few of them through: the back-off counts
    beside it, and up to a quarter is added, so that requests refused together do not return together.
    """
    asked_s = named_wait_s(error) if isinstance(error, StatusError) else None
    back_off_s = min(first_wait_s * 3.0 ** min(attempt - 1, 99), MAX_BACK_OFF_S)
    return max(asked_s or 0.0, back_off_s) * random.uniform(1, 1.25)


def named_wait_s(error: StatusError) -> float | None:
    """The wait that the headers name, else the body (Google's ``retryDelay``), else the message; None when none does.

    >>> named_wait_s(StatusError(429, "Limit reached. Please try again in 7m12s."))
    432.0
    """
    named = retry_after_s(error.headers)
    if named is None and error.retry_delay is not None:
        named = duration_s(error.retry_delay)
    message = error.message.lower()
    if named is None and (asked := _ASKED.search(message)):
        named = duration_s(message[asked.end() :])
    return named


def duration_s(text: str) -> float | None:
    """Seconds of the duration that a text begins with; None when it does not begin with one.

    >>> duration_s("1h2m3.5s."), duration_s("850ms"), duration_s("2 minutes and 30 seconds"), duration_s("3 models")
    (3723.5, 0.85, 150.0, None)
    """
    found = _DURATION.match(text.lower())
    if found is None:
        return None
    return math.fsum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(found[0]))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The wait that ``retry-after-ms`` or ``retry-after`` (seconds or a date) asks for; None without a usable one.

    >>> retry_after_s({"retry-after": "20"}), retry_after_s({"retry-after-ms": "150"}), retry_after_s({})
    (20.0, 0.15, None)

    A date is held against that of the server's answer: the clock here may be wrong.

    >>> noon = "Wed, 21 Oct 2026 12:00:00 GMT"
    >>> retry_after_s({"date": noon, "retry-after": "Wed, 21 Oct 2026 12:00:30 GMT"})
    30.0
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            asked_s = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        if math.isfinite(asked_s) and asked_s >= 0:
            return asked_s
    date_s = _date_s(headers, "retry-after")
    if date_s is None:
        return None
    now_s = _date_s(headers, "date")
    return max(0.0, date_s - (time.time() if now_s is None else now_s))


def _date_s(headers: Mapping[str, str], name: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(headers[name]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
