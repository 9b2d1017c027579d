"""Recognition of verdict words that no verdict is meant by: denied, supposed, reported, quoted, asked.

Only a text that talks about an answer has such words: "I can't say yes", "One might argue no", 'The sign says "YES"',
"Answering yes would be wrong". Where it is not certain that the text gives the verdict, it counts as not given.
"""

from __future__ import annotations

import re

from qreal_tasks.answers.verdict.clauses import (
    ANSWERS,
    APPROVALS,
    ARTICLES,
    FAULTS,
    OTHER_CLAUSE,
    PAUSE,
    REACH,
    REPORTS,
    SAYING,
    SENTENCE_END,
    SPEAKERS,
    SUBJECTS,
    SUPPOSITIONS,
    find_clause_start,
    find_sentence_end,
    find_sentence_start,
    is_denial,
    is_speech,
)
from qreal_tasks.answers.verdict.words import CHINESE_LABELS, LISTS, Words

_GIVEN_AS = ANSWERS | {"be"}
_QUOTE = "\"'“”‘’`«»「」"


def is_withdrawn(words: Words, i: int) -> bool:
    """Whether verdict word i is named but not given."""
    start = find_clause_start(words, i)
    before = words.words[start:i]
    if words.gaps[i + 1].lstrip(_QUOTE + "*_ )").startswith("?") or _is_key(words, i):
        return True
    if any(is_denial(words, at) or _faults(words, at, i) or words.words[at] in SUPPOSITIONS for at in range(start, i)):
        return True
    return (
        _is_reported(words, i, before)
        or _is_unreal(words, start, i)
        or (_is_quoted(words, i) and _is_mentioned(words, i, before))
        or _is_refused_subject(words, i, before)
    )


def _faults(words: Words, at: int, i: int) -> bool:
    """Whether word ``at`` calls verdict word i wrong, or the saying of it."""
    if words.words[at] not in FAULTS:
        return False
    between = range(at + 1, i)
    return not between or any(words.words[k] in ("that", "be", "answer") or is_speech(words, k) for k in between)


def _is_reported(words: Words, i: int, before: list[str]) -> bool:
    """Whether somebody else says the word, or nobody: "the sign says yes", "saying yes is tempting"."""
    at = i - 2 if i > 1 and words.words[i - 1] in ARTICLES else i - 1
    if at < 0 or re.search(r"[^\s\"'“”‘’`«»「」*_:,(]", words.gaps[i]):
        return False
    word, previous = words.words[at], words.words[max(0, at - 1) : at]
    if word in LISTS["carriers"]:
        with_colon = words.gaps[i][:1] == ":" and previous in (["a"], ["an"], ["the"]) and _is_quoted(words, i)
        return (with_colon or not re.search("[:,]", words.gaps[i])) and previous != ["one"]
    if word in REPORTS or (word == "says" and "i" not in before):
        return True
    if word in SAYING:
        return {"i'm", "am", "lean", "inclined"}.isdisjoint(before) and not _is_approved(words, i)
    if LISTS["others"].isdisjoint(before) and not APPROVALS.isdisjoint(before):
        return False
    return is_speech(words, at) and (SPEAKERS.isdisjoint(before) or "was" in before)


def _is_approved(words: Words, i: int) -> bool:
    """Whether the sentence goes on to say that this is right: "saying yes is correct"."""
    rest = words.words[i + 1 : find_sentence_end(words, i)]
    if rest[:1] not in (["is"], ["would"], ["seems"]) or not {"if", "unless", "but", "only"}.isdisjoint(rest):
        return False
    return not APPROVALS.isdisjoint(rest[1:5])


def _is_unreal(words: Words, start: int, i: int) -> bool:
    """Whether the clause says what would be so: "If it were real, I would say yes", "The answer would be yes if …"."""
    clause = words.words[start:i]
    if not any(word == "would" or word.endswith("'d") for word in clause):
        return False
    first, last = find_sentence_start(words, start), find_sentence_end(words, i)
    return words.words[first : first + 1] in (["had"], ["were"]) or any(
        _is_unreal_condition(words.words[begin:end]) for begin, end in ((first, start), (i + 1, last))
    )


def _is_unreal_condition(condition: list[str]) -> bool:
    """Whether words state a condition that is not met: "if it were real", unlike "if I had to choose"."""
    if "if" not in condition and "unless" not in condition:
        return False
    pairs = zip(condition, [*condition[1:], ""], strict=True)
    return any(word in ("were", "was") or (word == "had" and following != "to") for word, following in pairs)


def _is_key(words: Words, i: int) -> bool:
    """Whether the word is the name of something in JSON: {"Yes": 0.1, "No": 0.9}."""
    return bool(re.search(r"[{,]\s*[\"']\Z", words.gaps[i]) and re.match(r"[\"']\s*:", words.gaps[i + 1]))


def _is_quoted(words: Words, i: int) -> bool:
    quotes = tuple(_QUOTE)
    return words.gaps[i].endswith(quotes) and words.gaps[i + 1].lstrip(".,!").startswith(quotes)


def _is_mentioned(words: Words, i: int, before: list[str]) -> bool:
    """Whether a quoted word is part of a sentence that does not give it as the answer."""
    if before:
        if before[-1] in ("is", "it's", "be") and LISTS["carriers"].isdisjoint(before):
            return False
        is_labelled = re.search(rf"{CHINESE_LABELS}\Z", before[-1])
        return not is_labelled and _GIVEN_AS.isdisjoint(before) and SPEAKERS.isdisjoint(before)
    after = words.gaps[i + 1].strip(_QUOTE + " ")
    following = words.words[i + 1 : i + 1 + 6]
    is_subject = bool(following) and not after and following[0] in LISTS["predicates"] | LISTS["carried"]
    return is_subject and _GIVEN_AS.isdisjoint(following) and SPEAKERS.isdisjoint(following)


def _is_refused_subject(words: Words, i: int, before: list[str]) -> bool:
    """Whether the sentence goes on to say that this would be wrong: "yes would be wrong", "answering no is
    not fair"."""
    is_noun = bool(before) and (before[-1] in ARTICLES or before[-1] == "answer" or is_speech(words, i - 1))
    rest = []
    for at in range(i + 1, min(len(words), i + 1 + REACH)):
        if SENTENCE_END.search(words.gaps[at]) or ":" in words.gaps[at] or words.words[at] in OTHER_CLAUSE:
            break
        rest.append(at)
    predicate = next((k for k, at in enumerate(rest) if words.words[at] in LISTS["predicates"]), None)
    if predicate is None or PAUSE.search(words.gaps[i + 1]):
        return False
    if predicate > 0 and (not is_noun or predicate > 4 or words.words[i + 1] in SUBJECTS):
        return False
    hedged = FAULTS | {"might", "could", "may", "perhaps"}
    return any(is_denial(words, at) or words.words[at] in hedged for at in rest[predicate:])
