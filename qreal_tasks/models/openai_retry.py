"""What an error of an OpenAI-compatible server means: ask again, give this request up, or stop the whole run."""

from __future__ import annotations

import email.utils
import math
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import aiohttp

from qreal_tasks.models.openai_http import MalformedAnswer, StatusError, short

CONTENT_FILTER = "content filter"
"""``Response.unanswered`` when the server's filter took the question or the answer out."""

MAX_BACK_OFF_S = 60.0
MAX_RETRY_AFTER_S = 600.0
"""A server that asks for a longer wait has run out of a daily allowance: waiting holds a slot for hours."""


class StoppedRun(RuntimeError):  # noqa: N818 - it is named for what it tells the user
    """No further request can succeed. The message says what was found and what to do."""


class Action(Enum):
    RETRY = "retry"
    GIVE_UP = "give up"
    STOP = "stop"


@dataclass(frozen=True)
class Verdict:
    """What to do about one failed attempt."""

    action: Action
    reason: str
    """Few words, the same for every failure of the kind: failures are counted by it."""
    message: str
    """The reason with what the server said; for STOP also what to do."""


def judge(error: Exception, model: str, base_url: str, reached: bool) -> Verdict:
    """Classify what one attempt raised.

    Args:
        reached: the server has answered something before; a refused connection is then an outage to wait for and
            not a wrong address.
    """
    if isinstance(error, StatusError):
        return _judge_status(error, model, base_url)
    if isinstance(error, TimeoutError):
        return Verdict(Action.RETRY, "timed out", "timed out")
    if isinstance(error, aiohttp.InvalidURL | aiohttp.ClientConnectorError) and not reached:
        advice = f"no connection to {base_url} ({short(str(error))}). Start the server, or correct base_url."
        return Verdict(Action.STOP, "no connection", advice)
    if isinstance(error, aiohttp.ClientError | ConnectionError):
        return Verdict(
            Action.RETRY, "connection lost", f"connection lost ({short(str(error)) or type(error).__name__})"
        )
    if isinstance(error, MalformedAnswer):
        return Verdict(Action.RETRY, "malformed answer", f"malformed answer ({short(str(error))})")
    # Anything else is a mistake in this program, which a retry would hide.
    raise error


def _judge_status(error: StatusError, model: str, base_url: str) -> Verdict:
    if any(word in error.kind for word in ("content_policy", "content_filter")):
        return Verdict(Action.GIVE_UP, CONTENT_FILTER, CONTENT_FILTER)
    if error.status in (401, 403):
        advice = f"{base_url} refuses the key ({error}). Set OPENAI_API_KEY, or pass a valid api_key."
        return Verdict(Action.STOP, "key refused", advice)
    if error.status == 404:
        advice = f"{base_url} does not know the model {model!r} ({error}). Correct model or base_url."
        return Verdict(Action.STOP, "unknown model", advice)
    if error.status == 402 or (error.status == 429 and "insufficient_quota" in error.kind):
        advice = (
            f"the quota at {base_url} is used up ({error}). Add credit and start again; "
            "what has been answered and stored is not asked again."
        )
        return Verdict(Action.STOP, "quota used up", advice)
    reason = f"status {error.status}"
    if error.status not in (408, 409, 429) and error.status < 500:
        return Verdict(Action.GIVE_UP, reason, str(error))
    asked_s = retry_after_s(error.headers)
    if asked_s is not None and asked_s > MAX_RETRY_AFTER_S:
        advice = (
            f"{base_url} asks to wait {asked_s:.0f} s ({error}). Start again then; stored answers are not asked again."
        )
        return Verdict(Action.STOP, reason, advice)
    return Verdict(Action.RETRY, reason, str(error))


def wait_s(error: Exception, attempt: int, first_wait_s: float) -> float:
    """Seconds to wait before attempt ``attempt + 1``: what the server asks for, else first_wait_s * 3 ** (attempt - 1).

    Both at least; up to a quarter more is added so that requests refused together do not return together.
    """
    asked_s = retry_after_s(error.headers) if isinstance(error, StatusError) else None
    back_off_s = min(first_wait_s * 3.0 ** min(attempt - 1, 99), MAX_BACK_OFF_S)
    return (back_off_s if asked_s is None else asked_s) * random.uniform(1, 1.25)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The wait that ``retry-after-ms`` or ``retry-after`` (seconds or a date) asks for; None without a usable one.

    >>> retry_after_s({"retry-after": "20"}), retry_after_s({"retry-after-ms": "150"}), retry_after_s({})
    (20.0, 0.15, None)
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            asked_s = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        if math.isfinite(asked_s) and asked_s >= 0:
            return asked_s
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(0.0, date.timestamp() - time.time())
