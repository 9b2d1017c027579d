"""OpenAI's Batch API: what this project needs of it, with failures told as those of live requests are."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx2
import openai

from qreal_tasks.llm.errors.messages import MalformedAnswer, error_of, redirected, short
from qreal_tasks.llm.errors.retry import Action, StoppedRun, classify_error
from qreal_tasks.llm.http import at_most
from qreal_tasks.text.redaction import own_keys, without_key

ENDPOINT: Final = "/v1/chat/completions"
PATIENCE = 20
"""Attempts at one step, a polling interval between them, before the program stops. The batches do not."""
MOST_BYTES = 2**31
"""Of a file of answers: 50,000 requests of a batch with 40 kB for each."""
_ENDED = ("completed", "failed", "expired", "cancelled")
_METADATA = "qreal"

log = logging.getLogger(__name__)
Found = TypeVar("Found")


@dataclass(frozen=True)
class Batch:
    """How one batch stands."""

    status: str
    answered: int
    """Requests done, also those that failed."""
    files: tuple[str, ...]
    """Of answers and of errors, as far as there are any."""
    errors: str
    """Why the server refuses the whole batch; empty when it does not."""

    @property
    def ended(self) -> bool:
        return self.status in _ENDED


class BatchApi:
    """Every method repeats what may pass: time-outs, lost connections, 408, 409, 429 and 5xx.

    Raises:
        StoppedRun: from any method, when no further attempt can succeed or the patience is at its end.
    """

    def __init__(self, client: openai.OpenAI, model: str, wait_s: float) -> None:
        self._client, self.model, self._wait_s = client, model, wait_s
        self.url = str(client.base_url).rstrip("/")
        self._keys = own_keys(client.api_key)
        self._reached = False

    def upload(self, name: str, lines: bytes) -> str:
        """The identifier of the new file."""
        file = (f"{name}.jsonl", lines, "application/jsonl")
        return self._insist(lambda: str(self._client.files.create(file=file, purpose="batch").id), self._no_batches())

    def create(self, name: str, input_file_id: str) -> str:
        """The identifier of the new batch. An attempt without an answer may have made it: the list tells."""
        attempts = 0
        # The client's own retries would create a second batch when only the answer to the first was lost.
        once = self._client.with_options(max_retries=0)

        def step() -> str:
            nonlocal attempts
            attempts += 1
            made = self.find(name, input_file_id) if attempts > 1 else None
            return made or str(
                once.batches.create(
                    input_file_id=input_file_id,
                    endpoint=ENDPOINT,
                    completion_window="24h",
                    metadata={_METADATA: name},
                ).id
            )

        return self._insist(step, self._no_batches())

    def find(self, name: str, input_file_id: str) -> str | None:
        """The identifier of the batch that was created under this name or from this file."""

        def step() -> str | None:
            for batch in self._client.batches.list(limit=100):
                if (batch.metadata or {}).get(_METADATA) == name or batch.input_file_id == input_file_id:
                    return str(batch.id)
            return None

        return self._insist(step, self._no_batches())

    def retrieve(self, batch_id: str) -> Batch:
        """How the batch stands now."""
        unknown = (
            f"{self.url} does not know batch {batch_id}. Use the key of the organisation and project that created it"
        )
        found = self._insist(lambda: self._client.batches.retrieve(batch_id), unknown)
        counts, errors = found.request_counts, (found.errors and found.errors.data) or []
        refused = (self._told(f"{error.code or ''} {error.message or ''}".strip()) for error in errors)
        return Batch(
            str(found.status),
            counts.completed + counts.failed if counts else 0,
            tuple(str(file) for file in (found.output_file_id, found.error_file_id) if file),
            "; ".join(dict.fromkeys(refused)),
        )

    def lines(self, file_id: str) -> list[bytes]:
        """The lines of a file as they are; none when the server has deleted it, which it does after a month."""

        def step() -> bytes:
            try:
                with self._client.files.with_streaming_response.content(file_id) as answer:
                    return at_most(answer.iter_bytes(), MOST_BYTES)
            except openai.NotFoundError:
                log.warning("%s no longer has file %s", self.url, file_id)
                return b""
            except httpx2.HTTPError as error:  # in the middle of the file, where the client does not look
                raise openai.APIConnectionError(message=str(error), request=error.request) from error
            except MalformedAnswer as error:
                raise StoppedRun(f"file {file_id} of {self.url}: {error}; no batch has so many answers") from error

        return [line for line in self._insist(step, "").splitlines() if line.strip()]

    def clean(self, said: Any) -> Any:
        """A JSON value or text of the server, without the user's keys."""
        return without_key(said, *self._keys)

    def _no_batches(self) -> str:
        return f"{self.url} has no Batch API; go on without --batch"

    def _insist(self, step: Callable[[], Found], unknown: str) -> Found:
        """``unknown`` tells what a 404 means."""
        last = ""
        for _ in range(PATIENCE):
            try:
                found = step()
            except openai.APIError as error:
                last = self._passing(error, unknown)
                log.warning("%s: %s; trying again", self.url, last)
                time.sleep(self._wait_s)
            else:
                self._reached = True
                return found
        raise StoppedRun(
            f"{PATIENCE} attempts at {self.url} failed, the last one with: {last}. "
            "Start again; batches that were created go on and are not created again."
        )

    def _passing(self, error: openai.APIError, unknown: str) -> str:
        """What failed, when it may pass.

        Raises:
            StoppedRun: it will not.
        """
        if isinstance(error, openai.APIStatusError):
            location = error.response.headers.get("location", "") if error.response.is_redirect else ""
            refused = error_of(error.status_code, self.clean(redirected(location) if location else error.body))
            if refused.status == 404:
                raise StoppedRun(f"{unknown} ({refused})") from error
            decision = classify_error(refused, self.model, self.url, self._reached)
            if decision.action is not Action.RETRY:
                raise StoppedRun(decision.message if decision.action is Action.STOP else f"{self.url} says {refused}")
            self._reached = True
            return decision.message
        if isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError):
            cause = self._told(str(error.__cause__ or error))
            if isinstance(error.__cause__, httpx2.ConnectError) and not self._reached:
                raise StoppedRun(
                    f"no connection to {self.url} ({cause}). Start the server, or correct base_url."
                ) from error
            return f"connection lost ({cause})"
        return self._told(error.message)

    def _told(self, text: str) -> str:
        return short(self.clean(text))
