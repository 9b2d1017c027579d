"""What came of one request: a reply, or a state with its reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from annotation.errors import first_fault
from annotation.llm.replies import Form
from annotation.run.schemas import State
from annotation.status.reasons import told
from qreal_tasks.answers.json.only import only_json
from qreal_tasks.answers.spoken import Reason, spoken
from qreal_tasks.llm.completions import OUT_OF_TOKENS, REFUSED, is_cut_off, read
from qreal_tasks.llm.errors.messages import short
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, Verdict
from qreal_tasks.models.requests import Response
from qreal_tasks.text.redaction import redact

KEPT = frozenset({State.DONE, State.REFUSED, State.FILTERED})
"""Answers for good. What failed is asked again by the next run that is told to."""


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
        MalformedAnswer: it is no chat completion, or one that did not end.
        StatusError: it holds an error.
    """
    response = read(completion, form.choices)
    assert isinstance(completion, dict)  # read would have raised
    by = (_text(completion.get("model")), _text(completion.get("system_fingerprint")))
    if response.unanswered == CONTENT_FILTER:
        return Outcome(State.FILTERED, CONTENT_FILTER, None, *by)
    if response.unanswered == REFUSED:
        return Outcome(State.REFUSED, redact(short(response.text)), None, *by)
    if (unfinished := _unfinished(response, form, is_cut_off(completion))) is not None:
        return Outcome(State.FAILED, unfinished, None, *by)
    if form.choices:
        return _scored(response, form, by)
    if response.unanswered is not None:
        return Outcome(State.FAILED, response.unanswered, None, *by)
    return _formed(response.text, form, by)


def given_up(verdict: Verdict) -> Outcome:
    """What becomes of a request that no repeating could save."""
    said = verdict.message
    for repeated in (verdict.reason, f"{verdict.reason.removeprefix('status ')}: "):
        said = said.removeprefix(repeated)
    return Outcome(State.FAILED, told(verdict.reason, said.strip(" ()")))


def _unfinished(response: Response, form: Form, is_cut: bool) -> str | None:
    """Why the answer ends before its end; None for a whole one, and for a choice, which its first token tells."""
    if response.p is not None:
        return None
    reasons = response.unanswered == OUT_OF_TOKENS or spoken(response.text).reason is Reason.UNFINISHED_REASONING
    if reasons and not is_cut:
        return told("ends inside its reasoning", response.text)
    if reasons:
        return f"cut off at {form.max_tokens} tokens inside its reasoning; raise max_tokens, or turn reasoning off"
    return f"cut off at {form.max_tokens} tokens; raise max_tokens" if is_cut and not form.choices else None


def _formed(text: str, form: Form, by: tuple[str | None, str | None]) -> Outcome:
    """Reasoning before the JSON and a fence around it are taken away, as the evaluation and the judge do; anything else
    beside it is not guessed at."""
    assert form.reply is not None
    try:
        # By pydantic's own reader, which refuses half a surrogate pair: no file could hold it.
        said = form.reply.model_validate_json(json.dumps(only_json(spoken(text).text)))
    except ValidationError as error:
        why = first_fault(error)
    except (ValueError, RecursionError) as error:
        why = f"no JSON: {error}"
    else:
        return Outcome(State.DONE, "", said.model_dump(mode="json"), *by)
    return Outcome(State.FAILED, told(f"reply not as asked ({why})", text), None, *by)


def _scored(response: Response, form: Form, by: tuple[str | None, str | None]) -> Outcome:
    """Probabilities where the server gives them, else all of it for the word that was said."""
    p = response.p
    if p is None:
        word = spoken(response.text).text.strip().strip(".").casefold()
        p = tuple(float(choice.casefold() == word) for choice in form.choices)
    if not any(p):
        return Outcome(State.FAILED, told(f"none of {', '.join(form.choices)}", response.text), None, *by)
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
