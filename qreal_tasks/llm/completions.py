"""A chat completion, checked and read: only what ended as an answer is one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qreal_tasks.llm.errors.messages import MalformedAnswer, error_in, short, writable
from qreal_tasks.llm.errors.retry import CONTENT_FILTER
from qreal_tasks.llm.logprobs import NO_PROBABILITIES, ChoiceProbabilities, choice_probabilities

REFUSED = "refused"
EMPTY = "empty answer"
OUT_OF_TOKENS = "used up its tokens before answering"
"""A model that reasons first spent the whole limit on that: a matter of settings and no decision of the model."""

_ENDED = re.compile(
    r"stop(ped|_sequence|_token)?|end(_turn|_of_turn)?|eos(_token)?|eot|complete(d)?|finish(ed)?|normal|refusal"
)
_CUT_OFF = re.compile(r"length|max(_output|_completion)?_(tokens|length)|model_length|(model_)?context_window_exceeded")
_FILTERED = re.compile(
    r"content_?filter|sensitive|(image_)?safety|moderation|prohibited_content|blocklist|spii|recitation|guardrail"
)


@dataclass(frozen=True)
class Completion:
    """What a model answered, or why it did not."""

    text: str
    unanswered: str | None = None
    """Why there is no answer."""
    probabilities: ChoiceProbabilities = NO_PROBABILITIES
    """How probable each choice is, where there were choices."""
    is_cut_off: bool = False
    """The answer ended at the limit on its tokens."""
    model: str | None = None
    """As the server names it; like the fingerprint a text that files can hold, whatever was sent."""
    system_fingerprint: str | None = None


def read_completion(sent: object, choices: tuple[str, ...] = ()) -> Completion:
    """Read the JSON value that a server sent.

    An answer cut off at the token limit keeps its text.

    Raises:
        MalformedAnswer: it is no chat completion, or the server ended it before the model did.
        StatusError: it holds an error, of the whole or of the answer.
    """
    choice = choice_in(sent)
    assert isinstance(sent, Mapping)  # choice_in would have raised
    text, unanswered, probabilities = _read(sent, choice, choices)
    names = (sent.get(name) for name in ("model", "system_fingerprint"))
    model, fingerprint = (None if name is None else writable(str(name)) for name in names)
    return Completion(text, unanswered, probabilities, _is_cut_off(choice), model, fingerprint)


def _read(
    sent: Mapping[str, Any], choice: Mapping[str, Any], choices: tuple[str, ...]
) -> tuple[str, str | None, ChoiceProbabilities]:
    message, ended = choice.get("message"), _ended(choice)
    if _FILTERED.match(ended):
        content = message.get("content") if isinstance(message, Mapping) else None  # a filter may take all of it out
        return writable(content) if isinstance(content, str) else "", CONTENT_FILTER, NO_PROBABILITIES
    if not isinstance(message, Mapping):
        raise MalformedAnswer(f"no choices[0].message in {short(str(sent))[:80]!r}")
    is_cut_off = _is_cut_off(choice)
    if ended and not is_cut_off and not _ENDED.fullmatch(ended):
        raise MalformedAnswer(f"the answer did not end: finish_reason {short(ended)!r}")
    text = _text_of(message.get("content"))
    if message.get("refusal") or ended == "refusal":
        return _text_of(message.get("refusal")) or text, REFUSED, NO_PROBABILITIES
    if (blank := explain_blank(text, is_cut_off)) is not None:
        if blank == EMPTY and not _has_tokens(sent, choice):
            raise MalformedAnswer("an empty answer without a token")
        return text, blank, NO_PROBABILITIES
    if not choices:
        return text, None, NO_PROBABILITIES
    return text, None, choice_probabilities(choice, text, choices)


def choice_in(completion: object) -> Mapping[str, Any]:
    """The one choice of a chat completion.

    Raises:
        MalformedAnswer: there is none.
        StatusError: there is an error in its place.
    """
    error = error_in(completion)
    if error is not None:
        raise error
    choices = completion.get("choices") if isinstance(completion, Mapping) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, Mapping):
        raise MalformedAnswer(f"no choices[0] in {short(str(completion))[:80]!r}")
    if choice.get("error"):
        error = error_in({"error": choice["error"]})
        assert error is not None  # there is one
        raise error
    return choice


def explain_blank(text: str, is_cut_off: bool) -> str | None:
    """Why an answer says nothing; None where it says something.

    >>> explain_blank("Yes", True), explain_blank("", False), explain_blank(" ", True)
    (None, 'empty answer', 'used up its tokens before answering')
    """
    if text.strip():
        return None
    return OUT_OF_TOKENS if is_cut_off else EMPTY


def _ended(choice: Mapping[str, Any]) -> str:
    """Why the answer ended, in lower case; empty when the server does not say."""
    reason = choice.get("finish_reason")
    if isinstance(reason, Mapping):  # SGLang's own form
        reason = reason.get("type")
    named = re.sub(r"[\s-]+", "_", str(reason or "").strip()).lower()
    return "" if named in ("null", "none") else named


def _is_cut_off(choice: Mapping[str, Any]) -> bool:
    return _CUT_OFF.fullmatch(_ended(choice)) is not None


def _has_tokens(sent: Mapping[str, Any], choice: Mapping[str, Any]) -> bool:
    """Whether the model wrote anything, if only what is not shown: its reasoning, or the end at once."""
    usage = sent.get("usage")
    counted = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    message, logprobs = choice["message"], choice.get("logprobs")
    listed = isinstance(logprobs, Mapping) and bool(logprobs.get("content"))
    return bool(counted) or listed or bool(message.get("reasoning_content") or message.get("reasoning"))


def _text_of(content: object) -> str:
    """A string, or the text among the parts that some servers send: ``[{"type": "text", "text": "Yes"}]``."""
    if content is None or isinstance(content, str):
        return writable(content or "")
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        texts = [part.get("text") for part in content if part.get("type") == "text"]
        if all(isinstance(text, str) for text in texts):
            return writable("".join(texts))
    raise MalformedAnswer(f"the message is {str(content)[:80]}, expected a string or parts with text")
