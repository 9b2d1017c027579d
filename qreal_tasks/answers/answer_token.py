"""The token by which a model's text commits itself to a choice: the one place whose probabilities are P.

>>> find_answer_token([b"**", b"Yes", b"**"], "**Yes**", ("Yes", "No"))
AnswerToken(place=1, why_not=None)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from qreal_tasks.answers.answer_text import extract_answer_text
from qreal_tasks.answers.reasoning import read_declared_marks
from qreal_tasks.answers.verdict.judgment import parse_judgment
from qreal_tasks.text.token_text import normalise_token

NO_VERDICT = "no choice stands in the text as its answer"
NOT_FOUND = "the answer's word is no token of those with log-probabilities"

_MOST_WORDS = 64
"""Places of the answer's word that are looked at; each takes a reading of the text before it."""
_YES_NO = frozenset(("yes", "no"))
_ALONE = re.compile(r"(?:yes|no)(?=[.!]?\Z)", re.IGNORECASE)
_SPECIAL = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|")
"""A token that ends a turn, as far as it is written out; servers leave it out of the text."""


@dataclass(frozen=True)
class AnswerToken:
    """Where the answer's word stands among the tokens of a text, or why no token is it: one of the two is set."""

    place: int | None = None
    why_not: str | None = None


def find_answer_token(tokens: Sequence[bytes], text: str, choices: Sequence[str]) -> AnswerToken:
    """Find the token that is the word by which ``text`` commits itself to one of ``choices``.

    Blanks do not count on either side: some servers lose them token by token. Where fewer tokens are given than the
    text has, they are its beginning.

    Args:
        tokens: what the model wrote, token by token; before the text there may be more, its reasoning for instance.
        text: as it is read.
    """
    word = answering_word(text, choices)
    if word is None:
        return AnswerToken(why_not=NO_VERDICT)
    place = _place(tokens, text, word)
    return AnswerToken(why_not=NOT_FOUND) if place is None else AnswerToken(place)


def answering_word(text: str, choices: Sequence[str]) -> re.Match[str] | None:
    """Where the word stands by which the text commits itself to a choice; None when it does not.

    For Yes and No that is the first one up to which the text reads as it does as a whole. Other choices are looked for
    as words, and only one of them may occur.

    >>> answering_word("**Yes**, no doubt", ("Yes", "No")).span(), answering_word("Yes or No? No", ("Yes", "No")).span()
    ((2, 5), (11, 13))
    """
    if {one.casefold() for one in choices} != _YES_NO:
        found = (re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text, re.IGNORECASE) for one in choices)
        words = [word for word in found if word]
        return words[0] if len(words) == 1 else None
    if alone := _ALONE.match(text):  # most answers are, and need no reading
        return alone
    marks = read_declared_marks()
    answer = parse_judgment(text, reasoning_marks=marks).answer
    if answer is None:
        return None
    start = max(0, text.rfind(extract_answer_text(text, marks).text))
    verdicts = re.compile(r"(?<!\w)(?:yes|no)(?!\w)", re.IGNORECASE)
    words = [word for word in verdicts.finditer(text, start) if word[0].casefold() == answer.casefold()]
    for word in words[:_MOST_WORDS]:
        # With the word behind it, which tells "no" the answer from "no text"; a verdict there is not read yet.
        behind = re.compile(r"(\W*)([\w'’]*)").match(text, word.end())
        assert behind is not None  # both parts may be empty
        following = "x" if verdicts.fullmatch(behind[2]) else behind[2]
        so_far = text[: word.end()] + behind[1] + following
        if parse_judgment(so_far, reasoning_marks=marks).answer == answer:
            return word
    return None


def _place(tokens: Sequence[bytes], text: str, word: re.Match[str]) -> int | None:
    """The token that is the answer's word: the text from there on is what the last tokens say."""
    parts = [_without_blanks(token) for token in tokens]
    rest, before = (
        _without_blanks(part.encode("utf-8", "replace")) for part in (text[word.start() :], text[: word.start()])
    )
    kept = len(parts)
    while kept and not b"".join(parts[:kept]).endswith(rest):
        if not _SPECIAL.fullmatch(parts[kept - 1].decode("utf-8", "replace")):
            kept = 0
            break
        kept -= 1
    if kept:
        start = sum(map(len, parts[:kept])) - len(rest)
    elif (before + rest).startswith(b"".join(parts)):
        start = len(before)
    else:
        return None
    begins = [0, *accumulate(map(len, parts))]
    at = next((at for at, part in enumerate(parts) if part and begins[at] == start), None)
    is_word = at is not None and normalise_token(tokens[at].decode("utf-8", "replace")) == word[0].casefold()
    return at if is_word else None


def _without_blanks(text: bytes) -> bytes:
    return b"".join(text.split())
