"""What came of one request: a reply, or a state with its reason."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from annotation.llm.replies import Form
from annotation.schemas import State
from qreal_tasks.models.openai_http import short
from qreal_tasks.models.openai_reading import REFUSED, read
from qreal_tasks.models.openai_retry import CONTENT_FILTER

KEPT = frozenset({State.DONE, State.REFUSED, State.FILTERED})
"""Answers for good. What failed is asked again by the next run that is told to."""

_FENCED = re.compile(r"\s*```(?:json)?\s*(\{.*\})\s*```\s*", re.DOTALL)


@dataclass(frozen=True)
class Outcome:
    """What a stage makes its row of."""

    state: State
    reason: str = ""
    said: Any = None
    """The reply as JSON holds it; for scored choices the list of their probabilities."""
    model: str | None = None
    """As the server names it."""
    system_fingerprint: str | None = None


def outcome_of(completion: object, form: Form) -> Outcome:
    """Read a chat completion.

    Raises:
        MalformedAnswer: it is no chat completion.
    """
    response = read(completion, form.choices)
    assert isinstance(completion, dict)  # read would have raised
    by = (_text(completion.get("model")), _text(completion.get("system_fingerprint")))
    if response.unanswered == CONTENT_FILTER:
        return Outcome(State.FILTERED, CONTENT_FILTER, None, *by)
    if response.unanswered == REFUSED:
        return Outcome(State.REFUSED, short(response.text), None, *by)
    if form.choices:
        return _scored(response.p, response.text, form, by)
    if completion["choices"][0].get("finish_reason") == "length":
        return Outcome(State.FAILED, f"cut off at {form.max_tokens} tokens; raise max_tokens", None, *by)
    if response.unanswered is not None:
        return Outcome(State.FAILED, response.unanswered, None, *by)
    return _formed(response.text, form, by)


def _formed(text: str, form: Form, by: tuple[str | None, str | None]) -> Outcome:
    """A server without structured output may fence its JSON; anything else around it is not guessed at."""
    assert form.reply is not None
    fenced = _FENCED.fullmatch(text)
    try:
        said = form.reply.model_validate_json(fenced[1] if fenced else text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        where = f"{field}: " if field else ""
        return Outcome(State.FAILED, f"reply not as asked ({where}{first['msg']}): {short(text)}", None, *by)
    return Outcome(State.DONE, "", said.model_dump(mode="json"), *by)


def _scored(p: tuple[float, ...] | None, text: str, form: Form, by: tuple[str | None, str | None]) -> Outcome:
    """Probabilities where the server gives them, else all of it for the word that was said."""
    if p is None:
        word = text.strip().strip(".").casefold()
        p = tuple(float(choice.casefold() == word) for choice in form.choices)
    if not any(p):
        return Outcome(State.FAILED, f"none of {', '.join(form.choices)}: {short(text)}", None, *by)
    return Outcome(State.DONE, "", list(p), *by)


def to_json(outcome: Outcome) -> str:
    """For the cache; ASCII, since half a surrogate pair has no UTF-8."""
    return json.dumps({**vars(outcome), "state": str(outcome.state)})


def from_json(text: str) -> Outcome:
    """The opposite of ``to_json``."""
    said = json.loads(text)
    return Outcome(**{**said, "state": State(said["state"])})


def _text(said: object) -> str | None:
    """As a string that files can hold, since a server may send anything."""
    return None if said is None else str(said).encode(errors="replace").decode()
