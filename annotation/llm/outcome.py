"""What came of one request: a reply, or a state with its reason."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from annotation.errors import first_fault
from annotation.llm.replies import Form
from annotation.run.reasons import describe_failure
from annotation.run.schemas import State
from qreal_tasks.answers import Reason, extract_answer_text, parse_only_json
from qreal_tasks.llm.completions import OUT_OF_TOKENS, REFUSED, Completion, read_completion
from qreal_tasks.llm.errors.messages import short
from qreal_tasks.llm.errors.retry import CONTENT_FILTER, RetryDecision
from qreal_tasks.text.redaction import redact

KEPT = frozenset({State.DONE, State.REFUSED, State.FILTERED})
"""Answers for good. What failed is asked again by the next run that is told to."""


@dataclass(frozen=True)
class Outcome:
    """What came of one request: what a stage makes its row of."""

    state: State
    reason: str = ""
    said: Any = None
    """The reply as JSON holds it, under this name in ``calls.sqlite`` too; for scored choices their probabilities."""
    model: str | None = None
    """As the server names it."""
    system_fingerprint: str | None = None


def read_outcome(sent: object, form: Form) -> Outcome:
    """Read a chat completion.

    Raises:
        MalformedAnswer: it is no chat completion, or one that did not end.
        StatusError: it holds an error.
    """
    answer = read_completion(sent, form.choices)
    if answer.unanswered == CONTENT_FILTER:
        found = Outcome(State.FILTERED, CONTENT_FILTER)
    elif answer.unanswered == REFUSED:
        found = Outcome(State.REFUSED, redact(short(answer.text)))
    elif (unfinished := _unfinished(answer, form)) is not None:
        found = Outcome(State.FAILED, unfinished)
    elif form.choices:
        found = _scored(answer, form)
    elif answer.unanswered is not None:
        found = Outcome(State.FAILED, answer.unanswered)
    else:
        found = _formed(answer.text, form)
    return replace(found, model=answer.model, system_fingerprint=answer.system_fingerprint)


def give_up(decision: RetryDecision) -> Outcome:
    """What becomes of a request that the server's filter or any other lasting error keeps from being answered."""
    if decision.reason == CONTENT_FILTER:
        return Outcome(State.FILTERED, CONTENT_FILTER)
    message = decision.message
    for repeated in (decision.reason, f"{decision.reason.removeprefix('status ')}: "):
        message = message.removeprefix(repeated)
    return Outcome(State.FAILED, describe_failure(decision.reason, message.strip(" ()")))


def _unfinished(answer: Completion, form: Form) -> str | None:
    """Why the answer ends before its end; None for a whole one, and for a choice, which its first token tells."""
    if answer.probabilities.p is not None:
        return None
    reasons = (
        answer.unanswered == OUT_OF_TOKENS or extract_answer_text(answer.text).reason is Reason.UNFINISHED_REASONING
    )
    if reasons and not answer.is_cut_off:
        return describe_failure("ends inside its reasoning", answer.text)
    if reasons:
        return f"cut off at {form.max_tokens} tokens inside its reasoning; raise max_tokens, or turn reasoning off"
    return f"cut off at {form.max_tokens} tokens; raise max_tokens" if answer.is_cut_off and not form.choices else None


def _formed(text: str, form: Form) -> Outcome:
    """Reasoning before the JSON and a fence around it are taken away, as the evaluation and the judge do; anything else
    beside it is not guessed at."""
    assert form.reply is not None
    try:
        # By pydantic's own reader, which refuses half a surrogate pair: no file could hold it.
        reply = form.reply.model_validate_json(json.dumps(parse_only_json(extract_answer_text(text).text)))
    except ValidationError as error:
        why = first_fault(error)
    except ValueError as error:
        why = f"no JSON: {error}"
    else:
        return Outcome(State.DONE, "", reply.model_dump(mode="json"))
    return Outcome(State.FAILED, describe_failure(f"reply not as asked ({why})", text))


def _scored(answer: Completion, form: Form) -> Outcome:
    """Probabilities where the server gives them, else all of it for the word that was said."""
    p = answer.probabilities.p
    if p is None:
        word = extract_answer_text(answer.text).text.strip().strip(".").casefold()
        p = tuple(float(choice.casefold() == word) for choice in form.choices)
    if not any(p):
        return Outcome(State.FAILED, describe_failure(f"none of {', '.join(form.choices)}", answer.text))
    return Outcome(State.DONE, "", list(p))
