"""What a text answers with: past the reasoning, past failures of the request; and its punctuation in ASCII.

>>> spoken("<think>Two thumbs?</think>Yes").text
'Yes'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

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


_REASONING = re.compile(r"<(?P<close>/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_VISIBLE = re.compile(r"[^\s\x00\u200b\u200c\u200d\u2060\ufeff]")

# One character for one, so that a position in the ASCII form is a position in the original.
_ASCII = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    ord(wide): ascii_ for wide, ascii_ in zip("\u3000\u00a0，、。：；【】〔〕〈〉−", "  ,,.:;[][]<>-", strict=True)
}
# Full-width quotation marks stay: a reader of strings must see which mark closes which.
_ASCII.pop(ord("＂"))
_ASCII.pop(ord("＇"))


def ascii_forms(text: str) -> str:
    """The text with full-width letters, digits and punctuation as ASCII; same length, same positions.

    >>> ascii_forms("【１２，３０】：Ｙｅｓ。")
    '[12,30]:Yes.'
    """
    return text.translate(_ASCII)


def spoken(text: str) -> Spoken:
    """The part after the reasoning. A template may open the reasoning in the prompt, so a closing tag is
    enough."""
    if text.lstrip().startswith(REQUEST_FAILED_MARKER):
        return Spoken("", Reason.REQUEST_FAILED)
    start, open_end = 0, False
    for tag in _REASONING.finditer(text):
        open_end = not tag["close"]
        if tag["close"]:
            start = tag.end()
    if open_end:
        return Spoken("", Reason.UNFINISHED_REASONING)
    answer = text[start:]
    return Spoken(answer, None) if _VISIBLE.search(answer) else Spoken("", Reason.EMPTY)
