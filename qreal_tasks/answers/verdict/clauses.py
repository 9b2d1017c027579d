"""Search for the clause that leads up to a verdict word, and for what in it denies.

"Since nothing looks distorted the answer is no": the clause is "the answer is", "nothing" is said of the picture.
"""

from __future__ import annotations

import re

from qreal_tasks.answers.verdict.words import LISTS, Words

FAULTS, APPROVALS, SUPPOSITIONS = LISTS["faults"], LISTS["approvals"], LISTS["suppositions"]
SAYING, SPEAKERS, REPORTS = LISTS["saying"], LISTS["speakers"], LISTS["reports"]
ANSWERS, ARTICLES, OTHER_CLAUSE = LISTS["answers"], LISTS["articles"], LISTS["other_clause"]
SUBJECTS = SPEAKERS | LISTS["other_subjects"]
_GOVERNING = LISTS["embedding"] | SUPPOSITIONS | ARTICLES
_SUBJECT_STARTS = SPEAKERS | LISTS["owners"] | {"it", "it's"}
REACH = 25
"""Words before or after a verdict that are looked at."""
SENTENCE_END = re.compile(r"[.!?;\n]")
_RESULT = re.compile(r"[→⇒=]|->")
PAUSE = re.compile(r",|\s[-–]\s|—")


def find_clause_start(words: Words, i: int) -> int:
    """The first word of the clause that leads up to word i."""
    for at in range(i - 1, max(-1, i - 1 - REACH), -1):
        gap, word = words.gaps[at + 1], words.words[at]
        if gap != " ":
            governs = at == i - 1 and is_speech(words, at)
            if SENTENCE_END.search(gap) or (not governs and _is_set_apart(words, at + 1, i)):
                return at + 1
            if PAUSE.search(gap) and not governs and not _continues(words.words[at + 1 : i]):
                return at + 1
        if (word in LISTS["concluding"] and not is_denial(words, at)) or _is_consequence(words, at):
            return at + 1
        if word == "and" and at + 1 < i and words.words[at + 1] in LISTS["after_and"]:
            return at + 1
        if _is_main_clause(words, at, i):
            return at
    return max(0, i - REACH)


def _is_set_apart(words: Words, first: int, i: int) -> bool:
    """Whether a colon, an arrow or a bracket still open at word i stands before word ``first``: "not real (No)"."""
    gap = words.gaps[first]
    if ":" in gap or is_denial(words, first - 1):
        return ":" in gap
    if "(" in gap and not any(")" in words.gaps[at] for at in range(first + 1, i + 1)):
        return True
    return bool(_RESULT.search(gap)) and "if" not in words.words[find_sentence_start(words, first - 1) : first]


def _is_consequence(words: Words, at: int) -> bool:
    """Whether word ``at`` leads over to what the clause before comes to: "making the answer yes", "which means no"."""
    word = words.words[at]
    if word not in ("making", "meaning", "which"):
        return False
    before, following = words.words[max(0, at - 4) : at], words.words[at + 1 : at + 2]
    if word == "which":
        return following in (["means"], ["makes"]) and before[-1:] != ["of"]
    return not (before and is_denial(words, at - 1)) and "nothing" not in before and "anything" not in before


def _is_main_clause(words: Words, at: int, i: int) -> bool:
    """Whether a clause of its own begins at word ``at``: "the answer is", "I would say", "it is safe to say"."""
    word = words.words[at]
    if word not in _SUBJECT_STARTS:
        return False
    if at and (words.words[at - 1] in _GOVERNING or is_denial(words, at - 1)):
        return False
    if at and words.words[at - 1] != "answer" and is_speech(words, at - 1):
        return False
    if at and words.words[at - 1] in FAULTS:
        subject = words.words[max(0, at - 4) : at - 1]
        if (subject[-2:] == ["it", "is"] or subject[-1:] == ["it's"]) and subject[0] not in OTHER_CLAUSE:
            return False
    following = words.words[at + 1 : min(i, at + 6)]
    if word in LISTS["owners"]:
        noun = next((other for other in following if other not in LISTS["answer_kinds"]), None)
        return noun in ANSWERS
    if word in ("it", "it's"):
        return not APPROVALS.isdisjoint(following) and "to" in following
    return any(is_speech(words, k) for k in range(at + 1, min(i, at + 6)))


def find_sentence_start(words: Words, at: int) -> int:
    """The first word of the sentence of word ``at``, at most ``REACH`` words before it."""
    first = at
    while first > max(0, at - REACH) and not SENTENCE_END.search(words.gaps[first]):
        first -= 1
    return first


def find_sentence_end(words: Words, at: int) -> int:
    """The position behind the sentence of word ``at``, at most ``REACH`` words after it."""
    last = at + 1
    while last < min(len(words), at + REACH) and not SENTENCE_END.search(words.gaps[last]):
        last += 1
    return last


def _continues(clause: list[str]) -> bool:
    """Whether what follows a comma belongs to what stands before it: ", say yes", ", that the answer is yes"."""
    return bool(clause) and (clause[0] in ("that", "whether", "if") or SUBJECTS.isdisjoint(clause))


def is_denial(words: Words, at: int) -> bool:
    """Whether word ``at`` denies what its clause says: "not", "nobody", the "far" of "far from"."""
    word, previous, following = words.words[at], words.words[max(0, at - 1) : at], words.words[at + 1 : at + 2]
    if word == "no" and not words.stands_alone(at):
        return following not in (["doubt"], ["question"])
    if word == "doubt" and not {"no", "without"}.isdisjoint(words.words[max(0, at - 2) : at]):
        return False
    if word == "but":
        return previous == ["anything"]
    if word == "far":
        return following in (["from"], ["be"])
    if word == "without":
        return bool(following) and following[0] in SAYING and previous != ["goes"]
    return word in LISTS["denials"] or word.endswith("n't")


def is_speech(words: Words, at: int) -> bool:
    """Whether word ``at`` is a verb of saying, which "answer" is not everywhere."""
    word = words.words[at]
    if word == "answer":
        return at > 0 and words.words[at - 1] in LISTS["before_verb"]
    return word in LISTS["speech"] or word in SAYING or word in REPORTS
