"""Which optional parameters a server understands, learned from what it rejects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from qreal_tasks.models.openai_http import StatusError

JsonMode = Literal["json_schema", "json_object"]
"""The types of ``response_format`` that ask for JSON: of one schema, or any."""

_JSON = ("response_format", "json_schema", "json_object")
_TOO_MANY = ("greater than", "less than", "at most", "max allowed", "maximum", "between", "too large", "exceed", "<=")
FEWER_LOGPROBS = 5
"""What servers that do not list 20 tokens mostly allow."""
_UNKNOWN = ("unsupported", "not supported", "unrecognized", "unknown", "instead", "extra inputs", "not permitted")


@dataclass(frozen=True)
class Learned:
    """A dialect that the server may accept, and the sentence that tells the user what it gives up."""

    dialect: Dialect
    notice: str


@dataclass(frozen=True)
class Dialect:
    """The optional parameters that requests carry. Every rejection takes one away, so learning ends."""

    token_limit: str = "max_tokens"
    """Newer OpenAI models only take ``max_completion_tokens``; many compatible servers only this one."""
    top_logprobs: int | None = 20
    temperature: float | None = 0.0
    seed: int | None = None
    json_mode: JsonMode | None = None
    """How JSON is asked for beside the prompt; the schema is the caller's, and ``parameters`` leaves it out."""

    def parameters(self, max_new_tokens: int, scored: bool) -> dict[str, Any]:
        """The keyword arguments of one request."""
        found: dict[str, Any] = {self.token_limit: max_new_tokens}
        if scored and self.top_logprobs is not None:
            found |= {"logprobs": True, "top_logprobs": self.top_logprobs}
        if self.temperature is not None:
            found["temperature"] = self.temperature
        if self.seed is not None:
            found["seed"] = self.seed
        return found

    def after(self, error: StatusError) -> Learned | None:
        """What to speak after this rejection; None when it is about something else.

        A value that is too large also names its parameter ("max_tokens is too large"), so dropping ``max_tokens``
        needs a word that says the name itself is not understood.
        """
        if error.status not in (400, 422):
            return None
        said = f"{error.param} {error.message}".casefold()
        unknown = any(word in said for word in _UNKNOWN)
        if self.top_logprobs is not None and "logprobs" in said:
            return self._less_logprobs(self.top_logprobs, error, any(word in said for word in _TOO_MANY))
        if self.json_mode is not None and any(word in said for word in _JSON):
            return self._less_json(self.json_mode)
        if self.token_limit == "max_tokens" and "max_tokens" in said and unknown:
            return Learned(replace(self, token_limit="max_completion_tokens"), "is given `max_completion_tokens`")
        if self.temperature is not None and "temperature" in said and unknown:
            notice = "rejects `temperature`: answers may differ from run to run"
            return Learned(replace(self, temperature=None), notice)
        if self.seed is not None and "seed" in said and unknown:
            return Learned(replace(self, seed=None), "rejects `seed`: answers may differ from run to run")
        return None

    def _less_logprobs(self, rejected: int, error: StatusError, too_many: bool) -> Learned:
        if too_many and rejected > FEWER_LOGPROBS:
            notice = f"rejects {rejected} `top_logprobs` ({error}): is asked for {FEWER_LOGPROBS}"
            return Learned(replace(self, top_logprobs=FEWER_LOGPROBS), notice)
        notice = f"rejects `logprobs` ({error}): answers are read from the text, AUC will be empty"
        return Learned(replace(self, top_logprobs=None), notice)

    def _less_json(self, rejected: JsonMode) -> Learned:
        if rejected == "json_schema":
            notice = "rejects a JSON schema as `response_format`: is asked for any JSON object"
            return Learned(replace(self, json_mode="json_object"), notice)
        return Learned(replace(self, json_mode=None), "rejects `response_format`: only the prompt asks for JSON")
