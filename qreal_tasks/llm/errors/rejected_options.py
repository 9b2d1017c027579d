"""Which parameter a server refuses: the one that its error names as refused, not one that it mentions.

A refusal stands right before the name ("does not support temperature") or right behind it ("`seed` is deprecated"),
with nothing but words that say "parameter" between them.

>>> refuses("temperature", StatusError(400, "`temperature` is deprecated for this model."))
True
>>> refuses("temperature", StatusError(400, "A prompt about the temperature of an oven is not supported."))
False
"""

from __future__ import annotations

import re

from qreal_tasks.llm.errors.kinds import without_quotations
from qreal_tasks.llm.errors.messages import StatusError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REFUSED = _words(
    """unsupported unknown unrecognized unrecognised unexpected unavailable unpermitted unallowed deprecated extra
    extra_forbidden forbidden disabled disallowed removed invalid incorrect incompatible ignored rejected refused
    prohibited remove omit drop 不支持 不允许 无效"""
)
_WRONG = frozenset(("invalid", "incorrect"))
"""Said of a value as well as of a name."""
_NOT = _words(
    """not cannot no never isn't aren't wasn't don't doesn't didn't can't couldn't won't mustn't only neither nor
    unable"""
)
_TAKEN = _words(
    """support supports supported accept accepts accepted allow allows allowed permit permits permitted available valid
    implemented recognized recognised configurable enabled compatible understood adjustable known used use take takes
    specified set changed modified customized customised"""
)
_BOUND = _words("must only fixed locked should/be should/equal has/to needs/to")
"""Behind the name they open what its value has to be: "must be 1", "may only be set to 1"; some with the next word."""

_AROUND_BEFORE = _words(
    """the a an any to of for with in use using set setting specify specifying request requesting return returning
    provide pass passing custom following these this keyword query body input inputs sampling model supplied parameter
    parameters param params argument arguments arg args field fields option options settings property properties key
    keys value values name names named called and or on by top_p top_k loc changing"""
)
_AROUND_BEHIND = _words(
    """parameter parameters param argument field option setting value values key input inputs it this that which is are
    was has been have be currently now yet do does did can could will may should has also 参数"""
)
_WORD = re.compile(r"[a-z0-9_]+(?:['’.\-][a-z0-9_]+)*|不支持|不允许|无效|参数")
_NUMBER_WORD = re.compile(r"-?\d+(\.\d+)?")
_SENTENCE = re.compile(r"[.!?;](?=\s|$)|[。；\n]")
_REACH = 8
"""Words between a refusal and the name."""

_NUMBER = re.compile(r"(?<![\w.\-])\d+(?![\w\-]|\.\d)")
_LIMIT = re.compile(
    r"(greater|less|fewer|more) than|at most|up to|\bmax(imum)?\b|between|range|too (large|many|high)|exceed"
    r"|<|≤|\blimit|[\[(]\s*\d+\s*,",
    re.IGNORECASE,
)
_BELOW = re.compile(
    r"(?:\b(?:less|fewer|smaller|lower) than(?! or\b)|<(?!=)|\[\s*\d+\s*,(?=\s*\d+\s*\)))\s*(\d+)"
    r"|\b(\d+)\s*\(?exclusive",
    re.IGNORECASE,
)
_FROM = re.compile(
    r"(?:\bbetween|\bfrom|\bat least|[\[(](?=\s*\d+\s*,)|>=?|≥|\bgreater than(?: or equal to)?|\bminimum(?: of)?)"
    r"\s*(\d+)|(?<![\w.\-])(\d+)(?=\s*(?:–|to)\s*\d)",
    re.IGNORECASE,
)
"""The lower end of what is allowed."""


def refuses(name: str, error: StatusError) -> bool:
    """Whether the error is about parameter ``name`` being there, or being what it is, whatever the status."""
    # Where a field names it, only the refusal of a request can be believed to be about it.
    refused = 400 <= error.status < 500 and error.status not in (401, 402, 408, 409, 429)
    return (refused and _last_name(error.param) == name) or _said(name, error, by_value=True)


def does_not_know(name: str, error: StatusError) -> bool:
    """Whether the error is about parameter ``name`` being there, and not about its value."""
    return _said(name, error, by_value=False)


def names_a_limit(error: StatusError) -> bool:
    """Whether the error is about a number that is too large."""
    return _LIMIT.search(error.message) is not None


def named_limit(error: StatusError, asked: int) -> int | None:
    """The largest number that the error says is allowed in place of ``asked``; None when it names none.

    >>> named_limit(StatusError(400, "Requested sample logprobs of 20, which is greater than max allowed: 10"), 20)
    10
    """
    if not names_a_limit(error):
        return None
    below, lower = (
        {found.start(found.lastindex or 0) for found in pattern.finditer(error.message)} for pattern in (_BELOW, _FROM)
    )
    numbers = [
        int(found[0]) - (found.start() in below)
        for found in _NUMBER.finditer(error.message)
        if found.start() not in lower
    ]
    return max((number for number in numbers if 0 <= number < asked), default=None)


def _last_name(param: str | None) -> str | None:
    """``body.temperature`` and ``$.temperature`` are ``temperature``."""
    return None if param is None else re.split(r"\W+", param.strip("]'\""))[-1].casefold()


def _said(name: str, error: StatusError, by_value: bool) -> bool:
    message = without_quotations(error.message).casefold().replace("’", "'")
    refused = _REFUSED if by_value else _REFUSED - _WRONG
    for sentence in _SENTENCE.split(message):
        words: list[str] = _WORD.findall(sentence)
        for at, word in enumerate(words):
            if word == name or word.endswith(f".{name}"):
                before = words[:at][::-1][:_REACH]
                behind = [word for word in words[at + 1 :][:_REACH] if not _NUMBER_WORD.fullmatch(word)]
                around = before[:1] in (["only"], ["no"]) and _TAKEN.intersection(behind[:3])
                if around or _refused_before(before, refused) or _refused_behind(behind, refused, by_value):
                    return True
    return False


def _refused_before(words: list[str], refused: frozenset[str]) -> bool:
    """Args: those before the name, the nearest first."""
    for at, word in enumerate(words):
        if word in refused or (word in _TAKEN and _NOT.intersection(words[at + 1 : at + 4])):
            return True
        if word not in _AROUND_BEFORE:
            return False
    return False


def _refused_behind(words: list[str], refused: frozenset[str], by_value: bool) -> bool:
    """Args: those behind the name, without numbers."""
    for at, word in enumerate(words):
        if word in refused or (word in _NOT and _TAKEN.intersection(words[at + 1 : at + 4])):
            return True
        if by_value and _BOUND.intersection((word, "/".join(words[at : at + 2]))):
            return True
        if word not in _AROUND_BEHIND:
            return False
    return False
