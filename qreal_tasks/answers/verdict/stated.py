r"""Search for the final answer that a text states: between marks, or behind a label such as "Final answer:".

>>> find_marked_answer(r"It looks fine at first. <answer>No</answer>"), find_marked_answer(r"Checked. \boxed{[]}")
('No', '[]')
>>> find_labelled_answer("The hand at [10, 20, 30, 40] looks fine.\n**Final answer:** []")
' []'
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qreal_tasks.answers.characters import is_visible, to_halfwidth
from qreal_tasks.answers.reasoning import build_tag_pattern, is_closing_tag, is_tag

_NAMES = "final[_-]?answer|answer|final|conclusion|response|solution|output|result"
_MARK = re.compile(
    rf"(?=[<◁\[&\\])(?:(?P<glm><\|begin_of_box\|>)|(?P<glm_end><\|end_of_box\|>)|(?P<boxed>\\boxed\s?\{{)|(?P<tag>{build_tag_pattern(_NAMES)}))",
    re.IGNORECASE,
)
_BARE_BOXES = re.compile(r"[\s\d.,()\[\]<>-]*")
_LATEX_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf|texttt)\s?\{([^{}]*)\}")
_LINE_OR_SENTENCE = r"(?:(?:\A|\n)[\s>#*_-]{0,12}|(?<=[.!?])\s{1,3}[*_]{0,3})"
_LABEL = re.compile(
    rf"(?:{_LINE_OR_SENTENCE}(?:(?:so|thus|therefore|hence|my|the)[\s,]{{1,3}}){{0,3}}(?:answer|conclusion|verdict)"
    r"|(?P<final>(?<![\w\"'])final\s(?:answer|list|result|output)))[*_]{0,3}"
    r"(?:\s{0,3}(?:is|are)\b\s{0,3}:?|\s{0,3}:|(?(final)\s{0,3}(?=\n|\Z)|(?!)))[*_]{0,3}",
    re.IGNORECASE,
)
_LABEL_WORDS = ("answer", "final", "conclusion", "verdict", "答案", "结论")
_CHINESE_LABEL = re.compile(r"(?:最终)?(?:答案|结论)\s{0,3}(?::|是|为)")


def find_marked_answer(text: str) -> str | None:
    """What stands between the last marks of a final answer: ``<answer>``, ``\\boxed{}``, GLM's boxed marks and their
    like. None when there are none with words or brackets between.

    A mark that nothing closes reaches to the end of the text. GLM also puts its marks around each box in a sentence;
    bare coordinates are no answer there.
    """
    following = {"tag": len(text), "glm": len(text)}
    for mark in reversed([match for match in _MARK.finditer(text) if match.lastgroup != "tag" or is_tag(match)]):
        kind = mark.lastgroup or ""
        content = ""
        if kind == "boxed":
            content = _LATEX_TEXT.sub(r"\1", text[mark.end() : _closing_brace(text, mark.end())])
        elif kind == "glm" or (kind == "tag" and not is_closing_tag(mark)):
            content = text[mark.end() : following[kind]]
        if kind == "glm" and _BARE_BOXES.fullmatch(to_halfwidth(content)):
            content = ""
        if is_visible(content):
            return content
        following[kind.removesuffix("_end")] = mark.start()
    return None


def _closing_brace(text: str, start: int) -> int:
    """Where the brace closes that was opened before ``start``."""
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.start()
    return len(text)


def find_labelled_answer(text: str) -> str | None:
    """What follows the last "Final answer:" or "Answer:" to the end of the text; None when there is no such label."""
    plain = to_halfwidth(text)
    if not any(word in plain.lower() for word in _LABEL_WORDS):
        return None
    for end in sorted(_label_ends(plain), reverse=True):
        if is_visible(text[end:].strip(' \t\n*_".')):
            return text[end:]
    return None


def _label_ends(plain: str) -> Iterator[int]:
    for label in (_LABEL, _CHINESE_LABEL):
        yield from (match.end() for match in label.finditer(plain))
