"""Names on a board: what two people see as one name is one name, and nobody takes that of a row of the paper.

Two rules keep it short. A name is written in letters of the scripts that people write today, as Unicode recommends them
for identifiers (UAX 31, table 5), in ASCII digits and in a short list of signs. And a letter that is none of a to z may
stand for any letter, and a digit that is none of 0 to 9 for any digit, when a name is held against the paper's rows, so
that no list of look-alikes has to be complete. A letter stands for no digit: each row has some, and else every word of
five Chinese characters would read like GPT-4o.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from qreal_tasks.leaderboard.board.paper import SOURCE, load_paper_models
from qreal_tasks.text.one_line import first_unseen

_OF_TODAY = """
    ARABIC ARMENIAN BENGALI BOPOMOFO CJK CYRILLIC DEVANAGARI ETHIOPIC GEORGIAN GREEK GUJARATI GURMUKHI HANGUL HEBREW
    HIRAGANA IDEOGRAPHIC KANNADA KATAKANA KHMER LAO LATIN MALAYALAM MYANMAR ORIYA SINHALA TAMIL TELUGU THAANA THAI
    TIBETAN
"""
_SCRIPTS = frozenset(_OF_TODAY.split())
"""As the Unicode names of their letters begin."""
_BESIDE_LATIN = frozenset(("BOPOMOFO", "CJK", "HANGUL", "HIRAGANA", "IDEOGRAPHIC", "KATAKANA"))
"""Scripts that are written together with each other, and with Latin letters, within a word."""
_FURTHER_LATIN = "æœøßłđðþħŋəı"
"""Latin letters that are no letter of a to z with marks. Phonetic letters and small capitals are none."""
_FURTHER_SIGNS = "·–—‘’“”«»×±≤≥→、。・「」『』《》【】"
"""Beside those of ASCII."""
_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2012\u2212", "-"))
"""What word processors and pages put in a hyphen's place; NFKC makes the first of one that does not break."""
_MOST_MARKS = 2
"""Combining marks on one letter: Thai and Hebrew write two."""
_BLANK_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Letters and marks that show nothing; Unicode's categories do not tell."""
_LOOKS_LIKE = str.maketrans(
    "01i|ıавекмнорстухіјѕԁԛԝһӏзбчαβεηικνορτυχօսոհ",
    "ollllabekmhopctyxljsdqwhl364abenlkvoptuxounh",
)
"""Lower-case letters and digits of scripts that share shapes, to the one that they are read as."""
_PAIRS = (("rn", "m"), ("vv", "w"))
_OF_REPORTS = """
    a according as at baseline by from in numbers of official original originals paper papers published recomputed
    report reported result results row rows s score scores table the to
"""
_CLAIMS = frozenset(_OF_REPORTS.split())
"""Words that make a row of the paper out of a model's name."""
_SHORTEST_TO_MISSPELL = 8
"""Letters and digits of a name from which one wrong letter is overlooked; in shorter ones it makes another name."""


def normalize_name(text: str) -> str:
    """A name that stands on a board, as it is shown: composed and without compatibility forms (NFKC), single blanks.

    Raises:
        ValueError: it holds what nobody sees, mixes scripts within a word, or has letters or signs that names are not
            written in.

    >>> normalize_name("Cafe\\u0301  \\uff17B")
    'Café 7B'
    """
    name = _without_unseen(text)
    _require_one_script_a_word(name)
    _require_letters_of_today(name)
    return name


def check_board_name(text: str) -> str:
    """A submission's own name, as ``normalize_name``; it must not read like a row of the paper.

    Raises:
        ValueError: as ``normalize_name``; or it reads like a row of the paper, perhaps but for one letter, says that it
            is one, or has neither letter nor digit.
    """
    name = _without_unseen(text)
    _require_one_script_a_word(name)
    words = re.findall(r"[^\W_]+", name)
    if not fold_name(name):
        raise ValueError("has no letter and no digit; add some")
    if {"reported", "paper"} <= {word.casefold() for word in words} or any(
        fold_name(part) in fold_name(name) for part in SOURCE.split(", ")
    ):
        raise ValueError(f"says that it is {SOURCE!r}, which only rows of the paper are; leave that out")
    bare = " ".join(word for word in words if word.casefold() not in _CLAIMS)
    for row in _names_of_the_paper():
        if any(_reads_like(one, row) or _misspells(one, row) for one in (text, name, bare)):
            message = f"reads like {row!r}, a row of the paper"
            raise ValueError(f"{message}; add what tells yours apart, such as the backend: {f'{row}, vLLM'!r}")
    _require_letters_of_today(name)
    return name


def fold_name(name: str) -> str:
    """Letters and digits of a name as a reader takes them: without case, accents, marks, and differences that nobody
    sees. Two names with one reading are one name.

    >>> fold_name("GPT-4o") == fold_name("gpt 4O ") == fold_name("GPT-4\u043e") == fold_name("GPT-40")
    True
    """
    small = "".join(character for character in name if not _is_footnote(character))
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", small)).casefold().translate(_LOOKS_LIKE)
    read = "".join(character for character in plain if character.isalnum())
    for pair, one in _PAIRS:
        read = read.replace(pair, one)
    return read


def _without_unseen(text: str) -> str:
    if (unseen := first_unseen(text)) is not None:
        raise ValueError(f"holds U+{ord(unseen):04X}, a control or invisible character; leave it out")
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        if character in _BLANK_LETTERS or "VARIATION SELECTOR" in unicodedata.name(character, ""):
            raise ValueError(f"holds U+{ord(character):04X}, which shows nothing; leave it out")
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        if marks > _MOST_MARKS:
            raise ValueError(f"has a letter with more than {_MOST_MARKS} marks on it; leave them out")
    return re.sub(" +", " ", unicodedata.normalize("NFKC", text).translate(_HYPHENS)).strip()


def _require_one_script_a_word(name: str) -> None:
    bare = "".join(character for character in name if not unicodedata.category(character).startswith("M"))
    for word in re.findall(r"[^\W_]+", bare):
        scripts = {_script(character) for character in word if character.isalpha()}
        if len(scripts) > 1 and not scripts <= {"LATIN", *_BESIDE_LATIN}:
            mixed = " and ".join(script.capitalize() for script in sorted(scripts))
            raise ValueError(
                f"mixes {mixed} letters, which may look alike, in the word {word!r}; write the word in one script, or "
                "put a hyphen between the two"
            )


def _script(character: str) -> str:
    return re.split(r"[ -]", unicodedata.name(character, "?"))[0]


def _require_letters_of_today(name: str) -> None:
    before = " "
    for character in name:
        kind = unicodedata.category(character)
        if character.isascii() or character in _FURTHER_SIGNS:
            known = True
        elif kind in ("Mn", "Mc"):
            known = before.isalpha() and _script(character) in {"COMBINING", *_SCRIPTS}
        elif kind in ("Ll", "Lu", "Lo", "Lm"):
            known = _is_letter_of_today(character)
        else:
            known = False
        if not known:
            called = unicodedata.name(character, "without a name").lower()
            raise ValueError(
                f"holds U+{ord(character):04X} ({called}), which names are not written with; leave it out, or use "
                "letters of a language of today, digits 0 to 9 and common punctuation"
            )
        before = before if kind in ("Mn", "Mc") else character


def _is_letter_of_today(character: str) -> bool:
    script = _script(character)
    if script == "LATIN":
        first = unicodedata.normalize("NFKD", character)[0]
        return first.isascii() or character.lower() in _FURTHER_LATIN
    if script == "HANGUL":
        return unicodedata.name(character).startswith("HANGUL SYLLABLE")
    return script in _SCRIPTS


def _is_footnote(character: str) -> bool:
    """A small digit above or below the line, as the paper puts behind its rows."""
    return character.isdigit() and unicodedata.decomposition(character).startswith(("<super>", "<sub>"))


def _reads_like(name: str, row: str) -> bool:
    """Whether both have one reading, where a letter that is no ASCII may be any letter, and a digit any digit."""
    seen, its = fold_name(name), fold_name(row)
    return len(seen) == len(its) and all(map(_may_be, seen, its))


def _may_be(character: str, of_row: str) -> bool:
    return character == of_row or (not character.isascii() and (character.isnumeric() or not of_row.isdigit()))


def _misspells(name: str, row: str) -> bool:
    """Whether the readings are one but for two letters that are swapped, or a letter that is wrong, missing or too
    many. Digits count: version numbers and sizes tell models apart."""
    if _digits(name) != _digits(row):
        return False
    seen, its = fold_name(name), fold_name(row)
    start = next((i for i, (a, b) in enumerate(zip(seen, its, strict=False)) if a != b), min(len(seen), len(its)))
    seen, rest = seen[start:], its[start:]
    if len(rest) > 1 and seen == rest[1] + rest[0] + rest[2:]:
        return True
    return len(its) >= _SHORTEST_TO_MISSPELL and (seen[1:] == rest[1:] or seen[1:] == rest or seen == rest[1:])


def _digits(name: str) -> str:
    return re.sub(r"[^0-9]", "", unicodedata.normalize("NFKC", name))


@functools.cache
def _names_of_the_paper() -> tuple[str, ...]:
    """Without the marks of tuned models and ablations."""
    return tuple(dict.fromkeys(model.name.rstrip("*^12 ") for model in load_paper_models()))
