"""What the hub, or its library, says went wrong: as it may be shown, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from qreal_tasks.text.one_line import one_line
from qreal_tasks.text.redaction import Private, own_keys, redact, redact_keys

_MOST_SHOWN = 300
_SIGNED = re.compile(r"(://[^\s?]+)\?[^\s:;'\"<>]*")
"""The address of a large file gives it to everybody: what stands behind the mark of interrogation signs it."""
_LATER = "try again later"
_LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


class HubError(Exception):
    """The hub does not give, or take, what was asked; the message holds what it said and what to do."""


class HubTrouble(NamedTuple):
    """What went wrong between this machine and the hub."""

    refusal: str
    advice: str
    passes: bool = False
    """The same may go well later."""


def hub_failures() -> tuple[type[Exception], ...]:
    """The types that the hub's library raises where the hub refuses, cannot be reached or breaks off.

    A file that cannot be uploaded is a ``RuntimeError`` there, storage that is used up a ``ValueError``.
    """
    import httpx2

    return (httpx2.HTTPError, OSError, RuntimeError, ValueError)


def show_hub_text(text: str) -> str:
    """A text of the hub or its library on one line, without keys: the token of the user may be in no variable, but in a
    file of the library.

    >>> show_hub_text("bad\\ntoken hf_abcdefghijklmn at https://cdn.example/file?Signature=abc")
    'bad token <key> at https://cdn.example/file'
    """
    from huggingface_hub import get_token

    text = redact_keys(_SIGNED.sub(r"\1", text), *own_keys(get_token() or ""))
    return one_line(redact(text, [Private.KEY]), _MOST_SHOWN)


def describe_hub_error(error: Exception) -> str:
    """The error itself on one line, as ``show_hub_text``.

    >>> describe_hub_error(OSError("bad\\ntoken hf_abcdefghijklmn"))
    'bad token <key>'
    """
    return show_hub_text(str(error)) or type(error).__name__


def explain_hub_error(error: BaseException, repository: str, revision: str | None = None) -> HubTrouble | None:
    """What the hub said and what to do about it; None where the hub is not the reason, but a full disk, say.

    Args:
        error: of the hub's library, or one that it is the cause of.
        repository: ``org/name`` of the dataset.
        revision: that was asked for.
    """
    import httpx2
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    for one in _chain(error):
        if isinstance(one, OfflineModeIsEnabled):
            wanted = f" --revision {revision}" if revision else ""
            command = f"hf download --repo-type dataset {repository}{wanted}"
            advice = f"unset it, or download the set first with `{command}`"
            return HubTrouble("HF_HUB_OFFLINE is set, and what was asked for is not in the cache", advice)
        if isinstance(one, HfHubHTTPError) and getattr(one, "response", None) is not None:
            return _explain_answer(one, repository, revision)
        if isinstance(one, DatasetNotFoundError):  # which keeps the hub's own words to itself
            return HubTrouble(
                describe_hub_error(one).rstrip("."), f"check name and revision; if it is private or gated, {_LOG_IN}"
            )
        if isinstance(one, httpx2.HTTPError):
            broken = isinstance(one, httpx2.RemoteProtocolError | httpx2.ReadError)
            what = "the connection to the hub was cut off" if broken else "the hub cannot be reached"
            advice = _LATER if broken else f"check the network and HF_ENDPOINT, or {_LATER}"
            return HubTrouble(f"{what} ({describe_hub_error(one)})", advice, True)
        if isinstance(one, OSError) and "Consistency check failed" in str(one):
            return HubTrouble(describe_hub_error(one), _LATER, True)
    return None


def _explain_answer(error: Exception, repository: str, revision: str | None) -> HubTrouble:
    """The status of an answer, the hub's own words, and what to do."""
    from huggingface_hub import constants, errors, get_token
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

    response = error.response  # type: ignore[attr-defined]
    status, words = response.status_code, getattr(error, "server_message", None) or response.reason_phrase
    answer = f"({status}: {show_hub_text(str(words))})"
    has_token = get_token() is not None
    if isinstance(error, errors.GatedRepoError):
        terms = f"accept its terms at {constants.ENDPOINT}/datasets/{repository}"
        advice = f"{terms} with the account of the token" if has_token else f"{_LOG_IN}, and {terms}"
        return HubTrouble(f"it is gated: the hub gives it to people who have accepted its terms {answer}", advice)
    if isinstance(error, errors.RevisionNotFoundError):
        advice = f"spell it as a branch, a tag or a commit of {constants.ENDPOINT}/datasets/{repository}"
        return HubTrouble(f"the hub knows no revision {revision or 'main'} of it {answer}", advice)
    if isinstance(error, errors.RepositoryNotFoundError):
        private = "the account of the token must be given access" if has_token else _LOG_IN
        refusal = f"the hub knows no such dataset, or hides it, as a private one {answer}"
        return HubTrouble(refusal, f"check the name; if it is private, {private}")
    if status == 401:
        advice = "log in anew with `hf auth login`, or mend or unset HF_TOKEN" if has_token else _LOG_IN
        return HubTrouble(f"the hub does not take {'the token' if has_token else 'who has no token'} {answer}", advice)
    if status == 403:
        return HubTrouble(f"the hub forbids it {answer}", "check what the account of the token, and the token, may do")
    if status == 429:
        limit = parse_ratelimit_headers(response.headers)
        wait = str(limit.reset_in_seconds) if limit else response.headers.get("Retry-After", "")
        later = f"try again in {wait} seconds" if wait.isdigit() else _LATER
        advice = later if has_token else f"{later}; with a token it gives more: {_LOG_IN}"
        return HubTrouble(f"the hub has been asked too often {answer}", advice, True)
    if status in (408, 500, 502, 503, 504):
        return HubTrouble(f"the hub has trouble of its own {answer}", _LATER, True)
    return HubTrouble(f"the hub refuses it {answer}", "mend what it names")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__
