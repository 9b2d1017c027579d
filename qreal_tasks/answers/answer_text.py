"""The part of a text that answers: behind its reasoning, without failures of the request.

>>> extract_answer_text("<think>Two thumbs?</think>Yes").text
'Yes'
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from qreal_tasks.answers.characters import is_visible
from qreal_tasks.answers.reasoning import Marks, strip_reasoning

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
class AnswerText:
    """The part of a text that answers, or why there is none."""

    text: str
    reason: Reason | None


def extract_answer_text(text: str, reasoning_marks: Marks = ()) -> AnswerText:
    """The part after the reasoning; ``reasoning_marks`` as ``reasoning.strip_reasoning``."""
    if text.lstrip().startswith(REQUEST_FAILED_MARKER):
        return AnswerText("", Reason.REQUEST_FAILED)
    answer = strip_reasoning(text, reasoning_marks)
    if answer is None:
        return AnswerText("", Reason.UNFINISHED_REASONING)
    return AnswerText(answer, None) if is_visible(answer) else AnswerText("", Reason.EMPTY)
