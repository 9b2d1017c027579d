"""Yes or No from a model's text (ObjectQA).

Only a word that stands as a verdict counts: the "no" of "there is no visible text" says nothing about the
question.

>>> parse_judgment("**Yes**, because there is no visible seam.").answer
'Yes'
>>> parse_judgment("There is no visible seam.").reason
<Reason.NO_VERDICT: 'no_verdict'>
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from qreal_tasks.answers.spoken import Reason, ascii_forms, spoken

Verdict = Literal["Yes", "No"]


@dataclass(frozen=True)
class Judgment:
    """One of the two is set."""

    answer: Verdict | None
    reason: Reason | None


_VERDICTS: dict[str, Verdict] = {
    **dict.fromkeys(("yes", "yeah", "yep", "yup", "是", "是的", "对", "对的", "有", "有的"), "Yes"),
    **dict.fromkeys(("no", "nope", "nah", "否", "不", "不是", "不是的", "不对", "没有"), "No"),
}
_BOOLEANS: dict[str, Verdict] = {"true": "Yes", "false": "No"}
"""Verdicts only after a label, as in {"answer": true}."""
_CHINESE_LABELS = "(?:最终)?(?:答案|回答|结论)(?:是|为)?"
_LABELS = frozenset(
    [
        "answer",
        "ans",
        "verdict",
        "conclusion",
        "judgment",
        "judgement",
        "decision",
        "response",
        "assistant",
        "boxed",
        "therefore",
        "thus",
        "hence",
    ]
)
_BETWEEN = frozenset(
    [
        "is",
        "would",
        "be",
        "should",
        "must",
        "the",
        "to",
        "this",
        "that",
        "question",
        "final",
        "my",
        "a",
        "b",
        "c",
        "d",
        "clearly",
        "simply",
    ]
)
"""Words that may stand between a label and its verdict."""
_CLAUSE_STARTS = frozenset(
    [
        "it",
        "its",
        "it's",
        "they",
        "their",
        "the",
        "this",
        "that",
        "there",
        "these",
        "those",
        "he",
        "she",
        "his",
        "her",
        "i",
        "i'd",
        "we",
        "you",
        "because",
        "as",
        "since",
        "not",
        "both",
        "all",
        "however",
        "although",
        "though",
        "but",
        "and",
        "so",
        "based",
        "in",
        "from",
        "given",
        "due",
    ]
)
"""A bare "no" before one of these opens a clause ("No it does not"); before any other word it is a
determiner."""
_TAKEN_BACK = frozenset(["not", "isn't", "if", "whether", "neither", "maybe", "perhaps", "possibly", "'not"])
_REACH = 8
"""Words after a label among which its verdict is looked for."""

_WORD = re.compile(rf"{_CHINESE_LABELS}|[A-Za-zÀ-ɏ]+(?:['’][A-Za-z]+)*|[^\W_A-Za-zÀ-ɏ]+")


@dataclass(frozen=True)
class _Words:
    """The words of a text, lower case, with what lies between them."""

    words: list[str]
    gaps: list[str]
    """``gaps[i]`` comes before word i, the last one ends the text."""

    def __len__(self) -> int:
        return len(self.words)

    def kind(self, i: int) -> Verdict | None:
        return _VERDICTS.get(self.words[i]) if 0 <= i < len(self) else None


def parse_judgment(text: str) -> Judgment:
    """The verdict that ``text`` commits itself to.

    A verdict that opens the text, follows a label ("Answer:", ``<answer>``, "therefore") or closes the text
    on a line of its own is firm; firm verdicts decide, and two that differ are ambiguous. Without one, every
    other verdict in the text must agree. "Yes or No" names the choices and is no verdict; "Yes and no",
    "maybe yes" and "if yes" take themselves back.
    """
    said = spoken(text)
    if said.reason is not None:
        return Judgment(None, said.reason)
    words = _split(ascii_forms(said.text))
    choices, hedged = _pairs(words)
    if hedged:
        return Judgment(None, Reason.AMBIGUOUS)
    verdicts: dict[int, Verdict] = {}
    contested = bool(choices)
    for i in range(len(words)):
        kind = words.kind(i)
        if kind is None or i in choices or not _stands_alone(words, i):
            continue
        if i > 0 and words.words[i - 1] in _TAKEN_BACK:
            contested = True
        else:
            verdicts[i] = kind
    decided = set(_firm(words, verdicts)) or set(verdicts.values())
    if len(decided) == 1:
        return Judgment(decided.pop(), None)
    return Judgment(None, Reason.AMBIGUOUS if decided or contested else Reason.NO_VERDICT)


def _split(text: str) -> _Words:
    words, gaps, end = [], [], 0
    for match in _WORD.finditer(text):
        words.append(match[0].lower().replace("’", "'"))
        gaps.append(text[end : match.start()])
        end = match.end()
    return _Words(words, [*gaps, text[end:]])


def _pairs(words: _Words) -> tuple[set[int], bool]:
    """Positions that only name the choices, and whether the text says "Yes and no"."""
    choices: set[int] = set()
    for i in range(len(words) - 1):
        first = words.kind(i)
        if first is None or i in choices:
            continue
        after, between = words.kind(i + 1), words.gaps[i + 1]
        if after not in (None, first) and _joins(words, i + 1, between):
            choices |= {i, i + 1}
        far, joint = words.kind(i + 2), words.words[i + 1]
        if far in (None, first):
            continue
        if joint == "and" and "," not in between:
            return choices, True
        if joint in ("or", "nor", "vs") or _is_option(words, i + 1):
            choices |= {i, i + 2}
    return choices, False


def _joins(words: _Words, second: int, between: str) -> bool:
    """Whether two opposite verdicts that follow each other are a list of choices: "Yes/No", "Yes, No"."""
    if "\n" in between and not words.gaps[second + 1].strip():
        return False
    return "/" in between or "|" in between or _stands_alone(words, second)


def _is_option(words: _Words, i: int) -> bool:
    """Whether word i numbers an option: the "A" of "A. Yes"."""
    word = words.words[i]
    return (len(word) == 1 and word in "abcd123") and words.gaps[i + 1][:1] in (".", ")", ":")


def _stands_alone(words: _Words, i: int) -> bool:
    """Whether a verdict word is one here, which only a bare "no" can fail to be: "no text", "no-one"."""
    if words.words[i] != "no":
        return True
    after = words.gaps[i + 1]
    if i + 1 == len(words):
        return True
    if not after.strip():
        return "\n" in after or words.words[i + 1] in _CLAUSE_STARTS
    if after in ("-", "/", "‑"):
        return words.kind(i + 1) is not None
    return not after[0].isspace() or "\n" in after or after.lstrip()[0] in "-–—(<:;,."


def _firm(words: _Words, verdicts: Mapping[int, Verdict]) -> list[Verdict]:
    """The verdicts that open the text, follow a label or close the text on their own line."""
    opening = 1 if len(words) > 1 and _is_option(words, 0) else 0
    firm = [verdicts[opening]] if opening in verdicts else []
    last = len(words) - 1
    if last in verdicts and "\n" in words.gaps[last]:
        firm.append(verdicts[last])
    for i, word in enumerate(words.words):
        if (word in _LABELS or re.fullmatch(_CHINESE_LABELS, word)) and not words.gaps[i].endswith("/"):
            labelled = _after_label(words, verdicts, i)
            firm += [labelled] if labelled else []
    return firm


def _after_label(words: _Words, verdicts: Mapping[int, Verdict], label: int) -> Verdict | None:
    for i in range(label + 1, min(label + 1 + _REACH, len(words))):
        found = verdicts.get(i) or _BOOLEANS.get(words.words[i])
        if found or words.words[i] not in _BETWEEN:
            return found
    return None
