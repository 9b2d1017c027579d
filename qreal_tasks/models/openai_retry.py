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

_FILTER_KINDS = ("content_policy", "content_filter")
_FILTER_WORDS = ("moderat", "inappropriate", "content policy", "content filter", "content management")
_MODEL_KINDS = ("model_not_found", "invalid_model")
_QUOTA_KINDS = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")

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
    busy: bool = False
    """The server only asks to come later: no failure while it answers others meanwhile."""


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
    if _filtered(error):
        return Verdict(Action.GIVE_UP, CONTENT_FILTER, CONTENT_FILTER)
    if _unknown_model(error):
        advice = f"{base_url} does not know the model {model!r} ({error}). Correct model or base_url."
        return Verdict(Action.STOP, "unknown model", advice)
    asked_s = retry_after_s(error.headers)
    if _quota_used_up(error, asked_s):
        advice = (
            f"the quota at {base_url} is used up ({error}). Add credit and start again; "
            "what has been answered and stored is not asked again."
        )
        return Verdict(Action.STOP, "quota used up", advice)
    if error.status in (401, 403):
        advice = f"{base_url} refuses the key ({error}). Set OPENAI_API_KEY, or pass a valid api_key."
        return Verdict(Action.STOP, "key refused", advice)
    reason = f"status {error.status}"
    if error.status not in (408, 409, 429) and error.status < 500:
        return Verdict(Action.GIVE_UP, reason, str(error))
    if asked_s is not None and asked_s > MAX_RETRY_AFTER_S:
        advice = (
            f"{base_url} asks to wait {asked_s:.0f} s ({error}). Start again then; stored answers are not asked again."
        )
        return Verdict(Action.STOP, reason, advice)
    busy = error.status == 429 or (error.status == 503 and asked_s is not None)
    return Verdict(Action.RETRY, reason, str(error), busy)


def _filtered(error: StatusError) -> bool:
    if any(word in error.kind for word in _FILTER_KINDS):
        return True
    # Without a kind of its own, a filter answers 403 like a refused key does: only the message tells them apart.
    return error.status == 403 and any(word in error.message.casefold() for word in _FILTER_WORDS)


def _unknown_model(error: StatusError) -> bool:
    said = error.message.casefold()
    named = "model not exist" in said or ("model" in said and "does not exist" in said)
    return error.status == 404 or (error.status < 500 and (named or _is_one_of(error, _MODEL_KINDS)))


def _quota_used_up(error: StatusError, asked_s: float | None) -> bool:
    # Some servers say the same of a limit per minute: naming a wait, they mean one that passes.
    named = "exceeded your current quota" in error.message.casefold() and asked_s is None
    return error.status == 402 or (error.status < 500 and (named or _is_one_of(error, _QUOTA_KINDS)))


def _is_one_of(error: StatusError, kinds: tuple[str, ...]) -> bool:
    return any(kind in kinds for kind in error.kind.split())


def wait_s(error: Exception, attempt: int, first_wait_s: float) -> float:
    """Seconds to wait before attempt ``attempt + 1``: max(what the server asks for, first_wait_s * 3 ** (attempt - 1)).

    The server tells many requests the same time, and a limit lets only a few of them through: the back-off counts
    beside it, and up to a quarter is added, so that requests refused together do not return together.
    """
    asked_s = retry_after_s(error.headers) if isinstance(error, StatusError) else None
    back_off_s = min(first_wait_s * 3.0 ** min(attempt - 1, 99), MAX_BACK_OFF_S)
    return max(asked_s or 0.0, back_off_s) * random.uniform(1, 1.25)


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
