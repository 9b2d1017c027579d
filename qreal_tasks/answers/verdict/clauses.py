"""The clause that leads up to a verdict word, and what in it denies.

"Since nothing looks distorted the answer is no": the clause is "the answer is", "nothing" is said of the picture.
"""

from __future__ import annotations

import re

from qreal_tasks.answers.plain import listed
from qreal_tasks.answers.verdict.words import Words

_DENIALS = frozenset(
    listed(
        "not never cannot cant dont wont nobody none nothing neither nor hardly scarcely unable refuse decline "
        "hesitate hesitant reluctant avoid doubt doubtful unsure uncertain unclear instead than"
    )
)
FAULTS = frozenset(
    listed(
        "wrong wrongly incorrect incorrectly false falsely untrue mistaken mistake error misleading inaccurate "
        "inappropriate invalid unwarranted unjustified unfair impossible unlikely difficult hard"
    )
)
"""These deny a verdict where they are said of it; elsewhere of the picture: "the wrong number of fingers"."""
APPROVALS = frozenset(
    listed(
        "safe fair reasonable correct right accurate appropriate best justified clearly safely fairly confidently "
        "definitely certainly rightly"
    )
)
SUPPOSITIONS = frozenset(
    listed(
        "might could may maybe perhaps possibly if whether unless almost nearly tempted initially originally "
        "thought wanted been"
    )
)
_SPEECH = frozenset(
    listed(
        "say says said answer answers answered reply replies replied respond responds responded claim claims claimed "
        "argue argues argued suggest suggests suggested"
    )
)
SAYING = frozenset(listed("saying answering replying responding claiming arguing suggesting"))
_BEFORE_VERB = frozenset(
    listed(
        "to would will should must can could might may not never i we you they one people someone some many i'd "
        "i'll we'd you'd they'd cannot"
    )
)
""" "answer" after one of these is something that is done, elsewhere a label."""
SPEAKERS = frozenset(listed("i i'd i'll i'm i've we we'd we'll my our"))
REPORTS = frozenset(listed("reads reading spell spells spelling spelled states stating written labelled labeled shows"))
SUBJECTS = SPEAKERS | frozenset(listed("the this it it's its there that's he she they answer verdict"))
_CONCLUDING = frozenset(listed("so therefore thus hence but"))
_OWNERS = frozenset(listed("the my our"))
ANSWERS = frozenset(listed("answer response verdict conclusion judgment judgement decision"))
_ANSWER_KINDS = frozenset(listed("final correct right best appropriate proper only short overall"))
_EMBEDDING = frozenset(
    listed(
        "that whether if unless why when before until what how who think thinks believe believes find feel feels "
        "conclude concludes concluding assume assuming suppose supposing imagine mean means agree know knowing guess "
        "expect see prove proves confirm confirms sure certain convinced confident way chance reason evidence "
        "indication proof basis possibility case is can could would should will do does did make makes making "
        "meaning give giving gives call accept justify justifies support supports state stating declare indicate "
        "indicates imply implies"
    )
)
"""After one of these, "the answer is" belongs to what stands before it: "I don't think the answer is yes"."""
_AFTER_AND = frozenset(listed("the my i i'd so therefore thus hence final answer"))
ARTICLES = frozenset(listed("a an the"))
_GOVERNING = _EMBEDDING | SUPPOSITIONS | ARTICLES
_SUBJECT_STARTS = SPEAKERS | _OWNERS | {"it", "it's"}
OTHER_CLAUSE = frozenset(listed("because since as so and but which while although though"))
REACH = 25
"""Words before or after a verdict that are looked at."""
SENTENCE_END = re.compile(r"[.!?;\n]")
_RESULT = re.compile(r"[→⇒=]|->")
PAUSE = re.compile(r",|\s[-–]\s|—")


def clause_start(words: Words, i: int) -> int:
    """The first word of the clause that leads up to word i."""
    for at in range(i - 1, max(-1, i - 1 - REACH), -1):
        gap, word = words.gaps[at + 1], words.words[at]
        if gap != " ":
            governs = at == i - 1 and is_speech(words, at)
            if SENTENCE_END.search(gap) or (not governs and _is_set_apart(words, at + 1, i)):
                return at + 1
            if PAUSE.search(gap) and not governs and not _continues(words.words[at + 1 : i]):
                return at + 1
        if (word in _CONCLUDING and not denies(words, at)) or _is_consequence(words, at):
            return at + 1
        if word == "and" and at + 1 < i and words.words[at + 1] in _AFTER_AND:
            return at + 1
        if _is_main_clause(words, at, i):
            return at
    return max(0, i - REACH)


def _is_set_apart(words: Words, first: int, i: int) -> bool:
    """Whether a colon, an arrow or a bracket still open at word i stands before word ``first``: "not real (No)"."""
    gap = words.gaps[first]
    if ":" in gap or denies(words, first - 1):
        return ":" in gap
    if "(" in gap and not any(")" in words.gaps[at] for at in range(first + 1, i + 1)):
        return True
    return bool(_RESULT.search(gap)) and "if" not in words.words[sentence_start(words, first - 1) : first]


def _is_consequence(words: Words, at: int) -> bool:
    """Whether word ``at`` leads over to what the clause before comes to: "making the answer yes", "which means no"."""
    word = words.words[at]
    if word not in ("making", "meaning", "which"):
        return False
    before, following = words.words[max(0, at - 4) : at], words.words[at + 1 : at + 2]
    if word == "which":
        return following in (["means"], ["makes"]) and before[-1:] != ["of"]
    return not (before and denies(words, at - 1)) and "nothing" not in before and "anything" not in before


def _is_main_clause(words: Words, at: int, i: int) -> bool:
    """Whether a clause of its own begins at word ``at``: "the answer is", "I would say", "it is safe to say"."""
    word = words.words[at]
    if word not in _SUBJECT_STARTS:
        return False
    if at and (words.words[at - 1] in _GOVERNING or denies(words, at - 1)):
        return False
    if at and words.words[at - 1] != "answer" and is_speech(words, at - 1):
        return False
    if at and words.words[at - 1] in FAULTS:
        subject = words.words[max(0, at - 4) : at - 1]
        if (subject[-2:] == ["it", "is"] or subject[-1:] == ["it's"]) and subject[0] not in OTHER_CLAUSE:
            return False
    following = words.words[at + 1 : min(i, at + 6)]
    if word in _OWNERS:
        noun = next((other for other in following if other not in _ANSWER_KINDS), None)
        return noun in ANSWERS
    if word in ("it", "it's"):
        return not APPROVALS.isdisjoint(following) and "to" in following
    return any(is_speech(words, k) for k in range(at + 1, min(i, at + 6)))


def sentence_start(words: Words, at: int) -> int:
    """The first word of the sentence of word ``at``, at most ``REACH`` words before it."""
    first = at
    while first > max(0, at - REACH) and not SENTENCE_END.search(words.gaps[first]):
        first -= 1
    return first


def sentence_end(words: Words, at: int) -> int:
    """The position behind the sentence of word ``at``, at most ``REACH`` words after it."""
    last = at + 1
    while last < min(len(words), at + REACH) and not SENTENCE_END.search(words.gaps[last]):
        last += 1
    return last


def _continues(clause: list[str]) -> bool:
    """Whether what follows a comma belongs to what stands before it: ", say yes", ", that the answer is yes"."""
    return bool(clause) and (clause[0] in ("that", "whether", "if") or SUBJECTS.isdisjoint(clause))


def denies(words: Words, at: int) -> bool:
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
    return word in _DENIALS or word.endswith("n't")


def is_speech(words: Words, at: int) -> bool:
    """Whether word ``at`` is a verb of saying, which "answer" is not everywhere."""
    word = words.words[at]
    if word == "answer":
        return at > 0 and words.words[at - 1] in _BEFORE_VERB
    return word in _SPEECH or word in SAYING or word in REPORTS
