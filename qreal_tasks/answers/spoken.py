"""What a text answers with: past the reasoning, past failures of the request.

>>> spoken("<think>Two thumbs?</think>Yes").text
'Yes'
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from qreal_tasks.answers.plain import is_visible
from qreal_tasks.answers.reasoning import Marks, after_reasoning

REQUEST_FAILED_MARKER = "[LMMS_EVAL_REQUEST_FAILED"
"""How the harness hands over an answer that never came."""


class Reason(StrEnum):
    """Why a text could not be read. The values are stable: records hold them and reports count them."""

    EMPTY = "empty"
    """Nothing visible in it."""
    REQUEST_FAILED = "request_failed"
    """The backend's failure, not the model's answer."""
    UNFINISHED_REASONING = "unfinished_reasoning"
    """The text ends inside its reasoning."""
    AMBIGUOUS = "ambiguous"
    """Both verdicts, or one that is taken back; also an echo of the choices."""
    NO_VERDICT = "no_verdict"
    """Words, but neither verdict."""
    CUT_OFF = "cut_off"
    """The text ends before its first entity is complete."""
    NO_ENTITY = "no_entity"
    """Neither an entity with a box nor a clear statement that there is none."""


@dataclass(frozen=True)
class Spoken:
    """The part of a text that answers, or why there is none."""

    text: str
    reason: Reason | None


def spoken(text: str, reasoning_marks: Marks = ()) -> Spoken:
    """The part after the reasoning; ``reasoning_marks`` as ``reasoning.after_reasoning``."""
    if text.lstrip().startswith(REQUEST_FAILED_MARKER):
        return Spoken("", Reason.REQUEST_FAILED)
    answer = after_reasoning(text, reasoning_marks)
    if answer is None:
        return Spoken("", Reason.UNFINISHED_REASONING)
    return Spoken(answer, None) if is_visible(answer) else Spoken("", Reason.EMPTY)
