"""Recognition of sentences that say that there is no such entity.

>>> states_none("I looked closely. There are no implausible entities in it.")
True
"""

from __future__ import annotations

import re

from qreal_tasks.answers.characters import to_halfwidth

_ENTITY = r"entit(?:y|ies)"
_FLAW = r"(?:flawed|unrealistic|unreal|unnatural|implausible|abnormal|incorrect|problematic|faulty|defective|such)"
_THING = (
    rf"(?:{_ENTITY}|objects?|regions?|elements?|items?|people|persons?|issues?|flaws?|problems?|defects?|areas?"
    r"|anomal(?:y|ies)|inconsistenc(?:y|ies))"
)
_ADJECTIVES = r"(?:(?!other\b|further\b|more\b|additional\b|longer\b)[\w-]{1,24},?\s{1,3}){0,8}?"
_NO_ENTITY = re.compile(rf"\bno\s{{1,3}}{_ADJECTIVES}{_ENTITY}\b", re.IGNORECASE)
_NONE_STATED = re.compile(
    rf"\b(?:no|zero)\s{{1,3}}{_ADJECTIVES}{_THING}\b"
    rf"|(?:\bnot|n't)\s{{1,3}}(?:\w{{1,12}}\s{{1,3}}){{0,4}}?any\s{{1,3}}{_ADJECTIVES}{_THING}\b"
    rf"|\b(?:everything|(?:all|every|each)\s{{1,3}}{_ADJECTIVES}{_THING})\s{{1,3}}(?:\w{{1,16}}\s{{1,3}}){{0,6}}?"
    r"(?:realistic|real|plausible|natural|correct)\b"
    r"|\A\W*(?:none|nothing|n/a|empty|null|emptyset|varnothing)\W*(?:found|detected|here|\Z)"
    r"|\A\W*(?:∅|\{\s*\})\W*\Z|\A\W*(?:an?\s|the\s)?empty\s(?:list|array)\W*\Z"
    r"|没有|不存在|未发现|\A\W*无",
    re.IGNORECASE,
)
_FLAWED = rf"{_ADJECTIVES}(?:{_ENTITY}|{_FLAW}\s{{1,3}}{_THING})"
_STATEMENT = re.compile(
    r"\W*(?:(?:so|thus|therefore|hence|overall|in\s(?:conclusion|summary|short)|as\sa\sresult)\W{1,3})?"
    rf"(?:(?:there\s(?:are|is)\s|i\s(?:see|saw|find|found)\s)?no\s{{1,3}}{_FLAWED}"
    rf"|(?:i|we)\s(?:did|do|could|can)(?:n't|\snot)\s(?:find|see|detect|identify)\sany\s{_FLAWED}"
    rf"|[^\n:]{{0,40}}?\b(?:{_THING}|list|result|output)[\s*_]{{0,9}}:[\s*_]{{0,9}}(?:none|nothing|n/a|empty))"
    r"(?:\s(?:(?:are|were)\s)?(?:found|detected|visible|present|identified))?"
    r"(?:\s(?:in|within)\s(?:the|this)\s(?:ai-generated\s)?(?:image|picture|photo|scene))?\W*",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:but|however|although|except|though|unable|cannot|can'?t|sorry)\b|但|无法", re.IGNORECASE
)
_SENTENCE = re.compile(r"[^.!?\n]+")
_LONGEST_STATEMENT = 400


_DENIAL = re.compile(
    r"[\W_]*(?:no|none|nothing)\b(?![^\n]{0,200}\b(?:not|others?|else|more|further|additional|except|besides|but)\b)",
    re.I,
)


def begins_with_no(text: str) -> bool:
    """Whether a text begins with a plain "no", which need not be about entities.

    >>> begins_with_no(" **No**, all is well."), begins_with_no("None of the others is flawed.")
    (True, False)
    """
    return _DENIAL.match(to_halfwidth(text)) is not None


def states_none(text: str) -> bool:
    """Whether a short text says clearly that there is no such entity."""
    plain = to_halfwidth(text).replace("’", "'").strip()
    if len(plain) > _LONGEST_STATEMENT or _TAKEN_BACK.search(plain):
        return False
    first = _SENTENCE.search(plain)
    return bool((first and _NONE_STATED.search(first[0])) or _NO_ENTITY.search(plain))


def concludes_none(text: str) -> bool:
    """Whether a text that names boxes says all the same that no entity is flawed: its first or its last sentence says
    that and nothing else.

    >>> concludes_none("The hand at [10, 20, 30, 40] is fine. So there are no flawed entities.")
    True
    >>> concludes_none("The hand at [10, 20, 30, 40] has six fingers. There are no other flawed entities.")
    False
    """
    begin, end = (
        to_halfwidth(part).replace("’", "'") for part in (text[:_LONGEST_STATEMENT], text[-_LONGEST_STATEMENT:])
    )
    sentences = [sentence for sentence in _SENTENCE.findall(end) if re.search(r"[^\W\d_]{2}", sentence)]
    return any(_STATEMENT.fullmatch(sentence) for sentence in [*_SENTENCE.findall(begin)[:1], *sentences[-1:]])
