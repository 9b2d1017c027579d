"""What a failed request means: ask again, give this request up, or stop the whole run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import aiohttp

from qreal_tasks.llm.errors.kinds import (
    is_access_refused,
    is_behind_a_proxy,
    is_filtered,
    is_form_refused,
    is_key_refused,
    is_quota_used_up,
    is_unknown_model,
)
from qreal_tasks.llm.errors.messages import MalformedAnswer, StatusError, short
from qreal_tasks.llm.errors.waits import MAX_NAMED_WAIT_S, named_wait_s

CONTENT_FILTER = "content filter"
"""``Response.unanswered`` when the server's filter took the question or the answer out."""


class StoppedRun(RuntimeError):  # noqa: N818 - it is named for what it tells the user
    """No further request can succeed. The message says what was found and what to do."""


class Action(Enum):
    RETRY = "retry"
    GIVE_UP = "give up"
    STOP = "stop"


@dataclass(frozen=True)
class RetryDecision:
    """What to do about one failed attempt."""

    action: Action
    reason: str
    """Few words, the same for every failure of the kind: failures are counted by it."""
    message: str
    """The reason with what the server said; for STOP also what to do."""
    busy: bool = False
    """The server only asks to come later: no failure while it answers others meanwhile."""
    gone: bool = False
    """The server itself may be away: no failure of this request if it is."""


def classify_error(error: Exception, model: str, base_url: str, reached: bool) -> RetryDecision:
    """What to do about the error that one attempt raised.

    Args:
        reached: the server has answered something before; a refused connection is then an outage to wait for and
            not a wrong address.
    """
    if isinstance(error, StatusError):
        return _classify_status(error, model, base_url)
    if isinstance(error, TimeoutError):
        return RetryDecision(Action.RETRY, "timed out", "timed out", gone=True)
    if isinstance(error, aiohttp.InvalidURL | aiohttp.ClientConnectorError) and not reached:
        advice = f"no connection to {base_url} ({short(str(error))}). Start the server, or correct base_url."
        return RetryDecision(Action.STOP, "no connection", advice)
    if isinstance(error, aiohttp.ClientError | ConnectionError):
        message = f"connection lost ({short(str(error)) or type(error).__name__})"
        return RetryDecision(Action.RETRY, "connection lost", message, gone=True)
    if isinstance(error, MalformedAnswer):
        return RetryDecision(Action.RETRY, "malformed answer", f"malformed answer ({short(str(error))})")
    # Anything else is a mistake in this program, which a retry would hide.
    raise error


_STOPS: tuple[tuple[Callable[[StatusError], bool], str, str], ...] = (
    (
        is_unknown_model,
        "unknown model",
        "{url} does not know the model {model!r} ({error}). Correct model or base_url.",
    ),
    (
        is_form_refused,
        "form refused",
        "{url} refuses requests of this form ({error}). Choose another model, or change its settings there.",
    ),
    (
        is_quota_used_up,
        "quota used up",
        "the quota at {url} is used up ({error}). Add credit, or wait until the allowance of the day is new, and start "
        "again; what has been answered and stored is not asked again.",
    ),
    (
        is_access_refused,
        "access refused",
        "{url} shuts this account or key out ({error}). See to it there and start again; stored answers are not asked "
        "again.",
    ),
    (is_key_refused, "key refused", "{url} refuses the key ({error}). Set OPENAI_API_KEY to a valid one."),
)
"""Errors that every further request would meet, the first that fits: how each is told, its reason, its message."""


def _classify_status(error: StatusError, model: str, base_url: str) -> RetryDecision:
    if is_filtered(error):
        return RetryDecision(Action.GIVE_UP, CONTENT_FILTER, CONTENT_FILTER)
    for applies, reason, advice in _STOPS:
        if applies(error):
            return RetryDecision(Action.STOP, reason, advice.format(url=base_url, model=model, error=error))
    reason = f"status {error.status}"
    if 300 <= error.status < 400:
        advice = f"{base_url} is not the server's address ({error}). Correct base_url."
        return RetryDecision(Action.STOP, reason, advice)
    if error.status not in (408, 409, 429) and error.status < 500:
        return RetryDecision(Action.GIVE_UP, reason, str(error))
    asked_s = named_wait_s(error)
    if asked_s is not None and asked_s > MAX_NAMED_WAIT_S:
        advice = (
            f"{base_url} asks to wait {asked_s:.0f} s ({error}). Start again then; stored answers are not asked again."
        )
        return RetryDecision(Action.STOP, reason, advice)
    busy = error.status == 429 or (error.status == 503 and asked_s is not None)
    return RetryDecision(Action.RETRY, reason, str(error), busy, is_behind_a_proxy(error))
