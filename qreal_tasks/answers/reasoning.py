"""Reasoning that a model writes before its answer, and the marks between which it stands.

>>> strip_reasoning("◁think▷Two thumbs? Yes?◁/think▷No")
'No'
>>> strip_reasoning("<think>Two thumbs?") is None
True
"""

from __future__ import annotations

import functools
import os
import re

from qreal_tasks.answers.characters import is_visible, to_halfwidth
from qreal_tasks.records import LONGEST_MARK, MOST_MARKS, ReasoningMarks

Marks = ReasoningMarks
"""Pairs of an opening and a closing mark."""

MARKS_VARIABLE = "QREAL_REASONING_MARKS"
EXPECTED = "an opening and a closing mark with a blank between, several pairs separated by ;"
EXAMPLE = "◁think▷ ◁/think▷; [COT] [/COT]"

_FAMILY_OF_NAME: dict[str, str] = {
    **dict.fromkeys(["think", "thinking", "thought", "thoughts"], "think"),
    **{name: name for name in ["reasoning", "reflection", "reflections", "analysis", "scratchpad", "monologue"]},
    **dict.fromkeys(["cot", "chain_of_thought", "chain-of-thought"], "chain of thought"),
}
"""What a tag of reasoning is called, in whatever brackets; one of a family closes the other."""

_PAIRS: tuple[tuple[str, str], ...] = (
    # gpt-oss; the last of each is what is left where a server takes the special tokens out.
    (
        r"<\|channel\|>\s?(?:analysis|commentary)\b|\Aanalysis(?=(?-i:[A-Z]))",
        r"<\|channel\|>\s?final\b[^<>]{0,40}(?:<\|constrain\|>[^<>]{0,40})?(?:<\|message\|>)?|assistantfinal",
    ),
    (r"<\|channel>", r"<channel\|>"),  # Gemma 4
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),  # Apertus
    (r"<unused94>", r"<unused95>"),  # MedGemma
    (r"\[unused16\]", r"\[unused17\]"),  # openPangu
    (r"\bHere(?: is|['’]s) my thought process:", r"\bHere(?: is|['’]s) my response:"),  # Granite
    (r"(?m:^#{1,4} Thinking$)", r"(?m:^#{1,4} Final Response$)"),  # HuatuoGPT
)
"""Marks that are no tags of one name, as regular expressions without regard to case."""

_OF_BRACKET = {"<": ">", "◁": "▷", "[": "]", "&lt;": "&gt;"}
_ATTRIBUTES = r"(?:\s{1,4}[\w:-]{1,40}\s?=\s?(?:\"[^\"<>\n]{0,99}\"|'[^'<>\n]{0,99}'|[^\s<>\"']{1,99})){0,4}"


def build_tag_pattern(names: str) -> str:
    """A regular expression for opening and closing tags of these names (alternatives).

    ``<think>``, ``</seed:think>``, ``<think type="x">``, ``<|begin_of_thought|>``, ``<|/ref|>``, ``[THINK]``,
    ``◁/think▷``; ``is_closing_tag`` tells which of them a match is. What stands before coordinates in angle brackets is
    no tag but a label (``paper_format``).
    """
    return (
        r"(?P<bracket>[<◁\[]|&lt;)\|?\s?(?P<slash>/?)\|?\s?(?P<head>(?:[a-z][\w▁]{0,20}?[:|_▁.-]|ant)?)"
        rf"(?P<name>{names})(?P<tail>(?:[_▁-]\w{{1,12}})?){_ATTRIBUTES}"
        r"\s?\|?(?P<itself>/?)(?P<end>[>▷\]]|&gt;)(?!\s{0,4},?\s{0,4}<\s{0,4}[\[(]{0,2}\s{0,4}[-\d])"
    )


def is_tag(match: re.Match[str]) -> bool:
    """Whether the brackets of a match of ``build_tag_pattern`` belong together.

    Square ones are also plain punctuation, so that the name must be in capitals there, or "think".
    """
    if _OF_BRACKET[match["bracket"].lower()] != match["end"].lower():
        return False
    return match["bracket"] != "[" or match["name"].isupper() or match["name"] == "think"


def is_closing_tag(match: re.Match[str]) -> bool:
    """Whether a match of ``build_tag_pattern`` is a closing tag."""
    words = re.split(r"[^a-z]", f"{match['head']} {match['tail']}".lower())
    return bool(match["slash"] or match["itself"] or "end" in words)


@functools.lru_cache(maxsize=16)
def _pattern(reasoning_marks: Marks) -> re.Pattern[str]:
    given = [
        (re.escape(to_halfwidth(opening)), re.escape(to_halfwidth(closing))) for opening, closing in reasoning_marks
    ]
    pairs = "|".join(f"(?P<o{n}>{o})|(?P<c{n}>{c})" for n, (o, c) in enumerate([*given, *_PAIRS]))
    names = "|".join(sorted(map(re.escape, _FAMILY_OF_NAME), key=len, reverse=True))
    # Most characters begin no mark: one look at them costs less than trying every mark there.
    begin = "".join(re.escape(mark[:1]) for pair in reasoning_marks for mark in map(to_halfwidth, pair))
    return re.compile(rf"(?=[<◁\[&#AH{begin}])(?:{pairs}|(?P<tag>{build_tag_pattern(names)}))", re.IGNORECASE)


def strip_reasoning(text: str, reasoning_marks: Marks = ()) -> str | None:
    """The part of ``text`` that answers; None when the text ends inside its reasoning.

    A template may open the reasoning in the prompt: a closing mark that nothing opened closes all before it. Where
    reasoning stands between parts of the answer the last one with words in it counts.

    Args:
        reasoning_marks: pairs beside those that are known.
    """
    parts: list[str] = []
    opened: list[str] = []
    start = 0
    for match in _pattern(reasoning_marks).finditer(to_halfwidth(text)):
        kind = match.lastgroup or ""
        if kind == "tag":
            if not is_tag(match):
                continue
            closing, kind = is_closing_tag(match), _FAMILY_OF_NAME.get(match["name"].lower(), "")
        else:
            closing, kind = kind[0] == "c", kind[1:]
        if not closing:
            if not opened:
                parts.append(text[start : match.start()])
            if kind not in opened:
                opened.append(kind)
        elif kind in opened:
            del opened[opened.index(kind) :]
            start = match.end()
        elif not opened:
            parts, start = [], match.end()
    if opened:
        return None
    return next((part for part in [text[start:], *reversed(parts)] if is_visible(part)), "")


def parse_marks(text: str) -> Marks:
    """The pairs that a user names.

    >>> parse_marks("◁think▷ ◁/think▷; [COT] [/COT]")
    (('◁think▷', '◁/think▷'), ('[COT]', '[/COT]'))

    Raises:
        ValueError: a part is no pair, its two marks are the same, or there is too much of it.
    """
    pairs = []
    for part in filter(str.strip, text.split(";")):
        words = part.split()
        if len(words) != 2 or words[0] == words[1] or max(map(len, words)) > LONGEST_MARK:
            raise ValueError(
                f"reasoning marks {part.strip()!r:.80}: expected {EXPECTED}, for instance {EXAMPLE!r}; a mark has at "
                f"most {LONGEST_MARK} characters, none of them a blank or ; and in --model_args no comma"
            )
        pairs.append((words[0], words[1]))
    if len(pairs) > MOST_MARKS:
        raise ValueError(
            f"{len(pairs)} pairs of reasoning marks, expected at most {MOST_MARKS}; name those of the model"
        )
    return tuple(pairs)


def read_declared_marks() -> Marks:
    """The pairs of this run beside those that are known: ``QREAL_REASONING_MARKS``.

    Raises:
        ValueError: as ``parse_marks``.
    """
    return _read_once(os.environ.get(MARKS_VARIABLE, ""))


@functools.lru_cache(maxsize=16)
def _read_once(value: str) -> Marks:
    try:
        return parse_marks(value)
    except ValueError as error:
        raise ValueError(f"{MARKS_VARIABLE}: {error}") from None


def declare_marks(given: str | None) -> None:
    """Declare the marks that a backend's arguments name, for all that is read in this process and those it starts.

    Args:
        given: as ``parse_marks``; None leaves what the environment says.

    Raises:
        ValueError: as ``parse_marks``.
    """
    if given is not None:
        parse_marks(given)
        os.environ[MARKS_VARIABLE] = given
