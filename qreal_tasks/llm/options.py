"""Which optional parameters a server understands, learned from what it rejects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from qreal_tasks.llm.errors.messages import StatusError
from qreal_tasks.llm.errors.rejected_options import does_not_know, named_limit, names_a_limit, refuses
from qreal_tasks.llm.errors.retry import StoppedRun

JsonMode = Literal["json_schema", "json_object"]
"""The types of ``response_format`` that ask for JSON: of one schema, or any."""

_JSON = ("response_format", "json_schema", "json_object")
FEWER_LOGPROBS = 5
"""What servers that do not list 20 tokens mostly allow."""


@dataclass(frozen=True)
class Learned:
    """Options that the server may accept, and the sentence that tells the user what it gives up."""

    options: RequestOptions
    notice: str


@dataclass(frozen=True)
class RequestOptions:
    """The optional parameters of requests to one server. Every rejection takes one away, so learning ends."""

    token_limit: str = "max_tokens"
    """Newer OpenAI models only take ``max_completion_tokens``; many compatible servers only this one."""
    top_logprobs: int | None = 20
    temperature: float | None = 0.0
    seed: int | None = None
    json_mode: JsonMode | None = None
    """How JSON is asked for beside the prompt."""
    token_ids: bool = False
    """Name the tokens whose log-probabilities are wanted (vLLM from 0.26), where their ids are known."""

    def body(
        self,
        model: str,
        messages: list[dict[str, Any]],
        max_tokens: int,
        *,
        scored: bool = False,
        wanted_ids: Sequence[int] = (),
        schema: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One chat request with these parameters.

        Args:
            scored: ask for log-probabilities.
            wanted_ids: the tokens whose log-probabilities are wanted whatever their rank.
            schema: of the JSON that is asked for, as ``response_format`` takes it.
        """
        found: dict[str, Any] = {"model": model, "messages": messages, self.token_limit: max_tokens}
        if scored and self.top_logprobs is not None:
            found |= {"logprobs": True, "top_logprobs": self.top_logprobs}
            if self.token_ids and wanted_ids:
                found["logprob_token_ids"] = list(wanted_ids)
        if self.temperature is not None:
            found["temperature"] = self.temperature
        if self.seed is not None:
            found["seed"] = self.seed
        if schema is not None and self.json_mode is not None:
            found["response_format"] = schema if self.json_mode == "json_schema" else {"type": self.json_mode}
        return found

    def check_kept(self, used: RequestOptions, model: str, advice: str) -> None:
        """Hold options that a server has left against these, under which its answers are stored: temperature and seed
        are sent, or the run stops.

        Raises:
            StoppedRun: the server has rejected one.
        """
        for name in ("temperature", "seed"):
            if getattr(used, name) != getattr(self, name):
                raise StoppedRun(f"{model} rejects `{name}`; write `{name}: null` {advice}")

    def without_rejected(self, error: StatusError) -> Learned | None:
        """The options without the one that an error rejects; None when the error is about something else.

        The status does not count: servers reject a parameter with 400, 403, 404, 422 or 500.
        """
        if self.token_ids and _is_about("logprob_token_ids", error):
            notice = f"rejects `logprob_token_ids` ({error}): a choice outside the listed tokens counts as impossible"
            return Learned(replace(self, token_ids=False), notice)
        if self.top_logprobs is not None and (_is_about("logprobs", error) or _is_about("top_logprobs", error)):
            return self._less_logprobs(self.top_logprobs, error)
        if self.json_mode is not None and _is_about_json(error):
            return self._less_json(self.json_mode)
        if self.token_limit == "max_tokens" and does_not_know("max_tokens", error):
            return Learned(replace(self, token_limit="max_completion_tokens"), "is given `max_completion_tokens`")
        if self.temperature is not None and refuses("temperature", error):
            notice = f"rejects `temperature` ({error}): answers may differ from run to run"
            return Learned(replace(self, temperature=None), notice)
        if self.seed is not None and refuses("seed", error):
            return Learned(replace(self, seed=None), f"rejects `seed` ({error}): answers may differ from run to run")
        return None

    def _less_logprobs(self, rejected: int, error: StatusError) -> Learned:
        allowed = named_limit(error, rejected)
        if allowed is None and names_a_limit(error) and rejected > FEWER_LOGPROBS:
            allowed = FEWER_LOGPROBS
        if allowed is not None and allowed > 1:  # the taken token alone gives no P
            notice = f"rejects {rejected} `top_logprobs` ({error}): is asked for {allowed}"
            return Learned(replace(self, top_logprobs=allowed), notice)
        notice = f"rejects `logprobs` ({error}): answers are read from the text, AUC will be empty"
        return Learned(replace(self, top_logprobs=None), notice)

    def _less_json(self, rejected: JsonMode) -> Learned:
        if rejected == "json_schema":
            notice = "rejects a JSON schema as `response_format`: is asked for any JSON object"
            return Learned(replace(self, json_mode="json_object"), notice)
        return Learned(replace(self, json_mode=None), "rejects `response_format`: only the prompt asks for JSON")


def _is_about(name: str, error: StatusError) -> bool:
    """A refusal, or a number that is too large. "logprobs=true" only repeats the request."""
    message = re.sub(rf"{name}\s*=\s*true", "", error.message, flags=re.IGNORECASE)
    return refuses(name, error) or (error.status in (400, 422) and name in message and names_a_limit(error))


def _is_about_json(error: StatusError) -> bool:
    if error.status in (400, 422):
        message = f"{error.param} {error.message}".casefold()
        return any(word in message for word in _JSON)
    return any(refuses(word, error) for word in _JSON)
