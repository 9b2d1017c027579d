"""What an OpenAI-compatible server says went wrong, whichever form it says it in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from qreal_tasks.text.one_line import one_line
from qreal_tasks.text.redaction import Private, redact

_MOST_CHARACTERS = 4_000
"""Length of a message: the wait that a server names may stand at the end of a long one."""

_STATUS_NAMES = ("code", "status", "status_code", "http_code")
_STATUS_OF_WORDS = (
    (429, ("#token-limit", "per minute", "per-minute")),
    (402, ("insufficient_quota", "insufficient credit", "insufficient balance", "payment_required")),
    (429, ("rate_limit", "rate limit", "too many requests", "throttl", "resource_exhausted")),
    (401, ("invalid_api_key", "api key not valid", "authentication", "unauthorized", "unauthenticated")),
    (404, ("model_not_found",)),
    (400, ("invalid_request", "bad_request", "invalid_argument", "invalid_parameter", "invalid_prompt")),
    (400, ("content_filter", "sensitive", "moderation", "inappropriate", "usage policy")),
)
_UNKNOWN_STATUS = 500


class MalformedAnswer(ValueError):  # noqa: N818 - named for what came
    """The server said 200 and sent something that is no answer: no chat completion, or one that did not end."""


@dataclass(eq=False)
class StatusError(Exception):
    """The server answered with an error; fields as OpenAI names them, None where the server leaves them out."""

    status: int
    message: str
    kind: str = ""
    """All words for the kind of error, apart by blanks: code, type, status and, at Google, reasons and quotas. Servers
    put the same word in any of them."""
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_delay: str | None = None
    """Google's name for the wait it asks for, "26s"."""

    def __str__(self) -> str:
        return f"{self.status}: {short(self.message)}"


def writable(text: str) -> str:
    """``?`` for halves of surrogate pairs: JSON can spell them, and no file or terminal takes them.

    >>> writable("Yes \\ud83d")
    'Yes ?'
    """
    return text.encode("utf-8", "replace").decode()


def short(text: str) -> str:
    """On one line, 200 characters at most, none of them a control or an invisible one, and no key among them."""
    return one_line(redact(writable(text[:_MOST_CHARACTERS]), [Private.KEY]), 200)


def redirected(location: str) -> str:
    """What a redirect says, which is not followed.

    >>> redirected("https://elsewhere.example/v1?key=1")
    'the server redirects to elsewhere.example'
    """
    try:
        host = urlsplit(location).hostname
    except ValueError:
        host = None
    return f"the server redirects to {short(host or 'another address')}"


def error_of(status: int, body: object, headers: Mapping[str, str] | None = None) -> StatusError:
    """The error that a body describes, as far as the server follows OpenAI's ``{"error": {"message", "type", "code",
    "param"}}``. A list around it (Gemini), FastAPI's ``detail`` and OpenRouter's ``metadata`` are opened.

    >>> str(error_of(400, [{"error": {"message": "API key not valid", "status": "INVALID_ARGUMENT"}}]))
    '400: API key not valid'
    """
    content = _inside(body)
    if not isinstance(content, Mapping):
        text = " ".join(("" if content is None else str(content))[:_MOST_CHARACTERS].split())
        around = _first(body)  # xAI: {"code": …, "error": "the message"}
        kind = " ".join(_kinds(around, [])) if isinstance(around, Mapping) else ""
        return StatusError(status, text or "no message", kind, headers=headers or {})
    details = [detail for detail in _listed(content.get("details")) if isinstance(detail, Mapping)]
    message, param = _message(content)
    given = content.get("param")
    delays = [str(detail["retryDelay"]) for detail in details if detail.get("retryDelay")]
    return StatusError(
        status,
        writable(message)[:_MOST_CHARACTERS] or "no message",
        " ".join(_kinds(content, details)),
        param if given is None else str(given),
        headers or {},
        delays[0] if delays else None,
    )


def error_in(body: object) -> StatusError | None:
    """The error inside a body that came with status 200; its status is the code it names, else what its words mean."""
    inside = body[0] if isinstance(body, list) and body else body
    if not isinstance(inside, Mapping):
        return None
    if not inside.get("error") and inside.get("object") != "error":
        return None
    error = error_of(_UNKNOWN_STATUS, body)
    content, words = _inside(body), f"{error.kind} {error.message}".casefold()
    error.status = _status_in(content if isinstance(content, Mapping) else {}, words)
    return error


def _inside(body: object) -> object:
    """What is in ``{"error": …}``, and in the list that may be around it."""
    body = _first(body)
    return body.get("error") or body if isinstance(body, Mapping) else body


def _first(body: object) -> object:
    while isinstance(body, list) and body:
        body = body[0]
    return body


def _message(content: Mapping[str, Any]) -> tuple[str, str | None]:
    """The message, and the parameter that FastAPI says it is about: ``{"detail": [{"loc": […], "msg": …}]}``."""
    param = None
    message = next((content[name] for name in ("message", "detail", "msg", "error_msg") if content.get(name)), None)
    if isinstance(message, list) and all(isinstance(one, Mapping) and "msg" in one for one in message):
        # Without `input`, which repeats what was sent.
        places = [[str(part) for part in _listed(one.get("loc"))] for one in message]
        param = places[0][-1] if len(places) == 1 and places[0] else None
        pairs = zip(places, message, strict=True)
        message = "; ".join(f"{'.'.join(place)}: {one['msg']}" for place, one in pairs)
    if message is None:
        message = json.dumps(content)
    metadata = content.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return f"{message} ({raw})" if isinstance(raw, str) else str(message), param


def _kinds(content: Mapping[str, Any], details: list[Mapping[str, Any]]) -> Iterator[str]:
    inner = content.get("innererror")
    for found in (content, *details, inner if isinstance(inner, Mapping) else {}):
        yield from (str(found[name]) for name in ("code", "type", "status", "reason") if found.get(name))
        for violation in _listed(found.get("violations")):
            if isinstance(violation, Mapping) and violation.get("quotaId"):
                yield str(violation["quotaId"])


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _status_in(content: Mapping[str, Any], words: str) -> int:
    for name in _STATUS_NAMES:
        code = str(content.get(name, ""))
        if code.isascii() and code.isdigit() and 400 <= int(code[:9]) < 600:
            return int(code)
    return next((status for status, known in _STATUS_OF_WORDS if any(word in words for word in known)), _UNKNOWN_STATUS)
