"""Parser of Yes or No in a model's text (ObjectQA).

Only a word that stands as a verdict counts: the "no" of "there is no visible text" says nothing about the
question, nor does the "yes" of "I can't say yes".

>>> parse_judgment("**Yes**, because there is no visible seam.").answer
'Yes'
>>> parse_judgment("There is no visible seam.").reason
<Reason.NO_VERDICT: 'no_verdict'>
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from qreal_tasks.answers.answer_text import Reason, extract_answer_text
from qreal_tasks.answers.reasoning import Marks
from qreal_tasks.answers.verdict.stated import find_marked_answer
from qreal_tasks.answers.verdict.withdrawn import is_withdrawn
from qreal_tasks.answers.verdict.words import CHINESE_LABELS, LISTS, Verdict, Words


@dataclass(frozen=True)
class Judgment:
    """Yes or No, or the reason why a text gives neither: one of the two is set."""

    answer: Verdict | None
    reason: Reason | None


_BOOLEANS: dict[str, Verdict] = {"true": "Yes", "false": "No"}
"""Verdicts only after a label, as in {"answer": true}."""
_REACH = 8
"""Words after a label among which its verdict is looked for."""
_FILLING = LISTS["joining"] | LISTS["correcting"] | LISTS["filling"]


def parse_judgment(text: str, *, reasoning_marks: Marks = ()) -> Judgment:
    """The verdict that ``text`` commits itself to.

    What stands between marks of a final answer (``<answer>``, ``\\boxed{}``) is all that counts; then what follows
    "Final answer", then "Answer:" and its like. Elsewhere a verdict is firm that opens the text, follows "therefore"
    or closes the text on a line of its own; two firm ones that differ are ambiguous. Without a firm one, all verdicts
    in the text must agree. "Yes or No" names the choices and is no verdict, "Yes and no" takes itself back, and so
    does what ``withdrawn`` finds.

    Args:
        reasoning_marks: as ``reasoning.strip_reasoning``.
    """
    answer_text = extract_answer_text(text, reasoning_marks)
    if answer_text.reason is not None:
        return Judgment(None, answer_text.reason)
    words = Words.split(find_marked_answer(answer_text.text) or answer_text.text)
    choices = _choices(words)
    named = [i for i in range(len(words)) if words.kind(i) and i not in choices and words.stands_alone(i)]
    verdicts = {i: kind for i in named if (kind := words.kind(i)) and not is_withdrawn(words, i)}
    contested = bool(choices) or len(verdicts) < len(named)
    decided = _stated(words, verdicts)
    if not decided and _takes_itself_back(words, verdicts):
        return Judgment(None, Reason.AMBIGUOUS)
    decided = decided or set(_firm(words, verdicts)) or set(verdicts.values())
    if len(decided) == 1:
        return Judgment(decided.pop(), None)
    return Judgment(None, Reason.AMBIGUOUS if decided or contested else Reason.NO_VERDICT)


def _choices(words: Words) -> set[int]:
    """Positions that only name the choices: "Yes or No", "Yes/No", "A. Yes B. No"."""
    choices: set[int] = set()
    for i in range(len(words) - 1):
        first = words.kind(i)
        if first is None or i in choices:
            continue
        after, between = words.kind(i + 1), words.gaps[i + 1]
        if after not in (None, first) and _joins(words, i + 1, between):
            choices |= {i, i + 1}
        if words.kind(i + 2) in (None, first):
            continue
        if words.words[i + 1] in ("or", "nor", "vs") or _is_option(words, i + 1):
            choices |= {i, i + 2}
    return choices


def _joins(words: Words, second: int, between: str) -> bool:
    """Whether two opposite verdicts that follow each other are a list of choices: "Yes/No", "Yes, No"."""
    after = words.gaps[second + 1]
    if ("\n" in between and not after.strip()) or ("?" in between and "?" not in after):
        return False
    return "/" in between or "|" in between or words.stands_alone(second)


def _is_option(words: Words, i: int) -> bool:
    """Whether word i numbers an option: the "A" of "A. Yes"."""
    word = words.words[i]
    return (len(word) == 1 and word in "abcd123") and words.gaps[i + 1][:1] in (".", ")", ":")


def _takes_itself_back(words: Words, verdicts: Mapping[int, Verdict]) -> bool:
    """Whether a verdict is followed by its opposite: "Yes and no", "Yes, but also no", "Yes. … Wait, no", "Yes in one
    way, no in another"."""
    seen: set[Verdict] = set()
    limited: set[tuple[Verdict, str]] = set()
    for i, kind in verdicts.items():
        following = words.words[i + 1] if i + 1 < len(words) and not words.gaps[i + 1].strip() else ""
        if following in LISTS["limiting"] and any(other != kind and word == following for other, word in limited):
            return True
        limited.add((kind, following))
        joining = set()
        at = i - 1
        while at >= 0 and i - at <= _REACH and words.words[at] in _FILLING:
            joining.add(words.words[at])
            at -= 1
        opposite = at in verdicts and verdicts[at] != kind
        corrects = joining & LISTS["correcting"]
        if (opposite and (corrects or joining & LISTS["joining"])) or (corrects and seen - {kind}):
            return True
        seen.add(kind)
    return False


def _stated(words: Words, verdicts: Mapping[int, Verdict]) -> set[Verdict]:
    """The verdict of the last "final answer"; else those of all labels and of a last line of its own behind them."""
    found: set[Verdict] = set()
    final: Verdict | None = None
    last_label = 0
    for i, word in enumerate(words.words):
        if (word not in LISTS["labels"] and not re.fullmatch(CHINESE_LABELS, word)) or words.gaps[i].endswith("/"):
            continue
        labelled = _after_label(words, verdicts, i)
        if labelled is None:
            continue
        if word.startswith("最终") or words.words[max(0, i - 1) : i] == ["final"]:
            final = labelled
        found.add(labelled)
        last_label = i
    if final:
        return {final}
    closing = _closing(words, verdicts)
    return found | {closing} if found and closing and len(words) - 1 > last_label else found


def _closing(words: Words, verdicts: Mapping[int, Verdict]) -> Verdict | None:
    """The verdict that closes the text on a line of its own."""
    last = len(words) - 1
    return verdicts.get(last) if last >= 0 and "\n" in words.gaps[last] else None


def _firm(words: Words, verdicts: Mapping[int, Verdict]) -> list[Verdict]:
    """The verdicts that open the text, follow a lead or close the text on their own line."""
    opening = 1 if len(words) > 1 and _is_option(words, 0) else 0
    leads = [_after_label(words, verdicts, i) for i, word in enumerate(words.words) if word in LISTS["leads"]]
    return [kind for kind in (verdicts.get(opening), _closing(words, verdicts), *leads) if kind]


def _after_label(words: Words, verdicts: Mapping[int, Verdict], label: int) -> Verdict | None:
    for i in range(label + 1, min(label + 1 + _REACH, len(words))):
        found = verdicts.get(i) or _BOOLEANS.get(words.words[i])
        if found or words.words[i] not in LISTS["between"]:
            return found
    return None
