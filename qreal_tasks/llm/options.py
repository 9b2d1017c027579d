"""Which optional parameters a server understands, learned from what it rejects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from qreal_tasks.llm.errors.messages import StatusError
from qreal_tasks.llm.errors.rejected_options import does_not_know, named_limit, names_a_limit, refuses, wants_more

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
    """The optional parameters that requests carry. Every rejection takes one away, so learning ends."""

    token_limit: str = "max_tokens"
    """Newer OpenAI models only take ``max_completion_tokens``; many compatible servers only this one."""
    top_logprobs: int | None = 20
    temperature: float | None = 0.0
    seed: int | None = None
    json_mode: JsonMode | None = None
    """How JSON is asked for beside the prompt; the schema is the caller's, and ``parameters`` leaves it out."""
    token_ids: bool = False
    """Name the tokens whose log-probabilities are wanted (vLLM from 0.26), where their ids are known."""
    one_token: bool = False
    """Ask for one token where one is enough."""

    def parameters(self, max_new_tokens: int, scored: bool, wanted_ids: Sequence[int] = ()) -> dict[str, Any]:
        """The keyword arguments of one request.

        Args:
            wanted_ids: the tokens whose log-probabilities are wanted whatever their rank.
        """
        found: dict[str, Any] = {self.token_limit: max_new_tokens}
        if scored and self.top_logprobs is not None:
            found |= {"logprobs": True, "top_logprobs": self.top_logprobs}
            if self.token_ids and wanted_ids:
                found["logprob_token_ids"] = list(wanted_ids)
        if self.temperature is not None:
            found["temperature"] = self.temperature
        if self.seed is not None:
            found["seed"] = self.seed
        return found

    def without_rejected(self, error: StatusError) -> Learned | None:
        """What to speak after this rejection; None when it is about something else.

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
        if self.one_token and wants_more(self.token_limit, error):
            return Learned(replace(self, one_token=False), f"does not answer with one token ({error})")
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
    said = re.sub(rf"{name}\s*=\s*true", "", error.message, flags=re.IGNORECASE)
    return refuses(name, error) or (error.status in (400, 422) and name in said and names_a_limit(error))


def _is_about_json(error: StatusError) -> bool:
    if error.status in (400, 422):
        said = f"{error.param} {error.message}".casefold()
        return any(word in said for word in _JSON)
    return any(refuses(word, error) for word in _JSON)
