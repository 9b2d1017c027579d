"""The words of a text with what lies between them, and which of them can be a verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qreal_tasks.answers.characters import to_halfwidth
from qreal_tasks.files.package_tables import load_words

Verdict = Literal["Yes", "No"]

LISTS = {name: frozenset(words) for name, words in load_words(Path(__file__).with_suffix(".yaml")).items()}
"""The words that the parser goes by; ``words.yaml`` says what each list is."""
_VERDICTS: dict[str, Verdict] = {
    **dict.fromkeys(LISTS["says_yes"], "Yes"),
    **dict.fromkeys(LISTS["says_no"], "No"),
}
CHINESE_LABELS = "(?:最终)?(?:答案|回答|结论)(?:是|为)?"
_WORD = re.compile(rf"{CHINESE_LABELS}|[A-Za-zÀ-ɏ]+(?:['’][A-Za-z]+)*|[^\W_A-Za-zÀ-ɏ]+")


@dataclass(frozen=True)
class Words:
    """The words of a text, lower case, with what lies between them."""

    words: list[str]
    gaps: list[str]
    """``gaps[i]`` comes before word i, the last one ends the text."""

    @classmethod
    def split(cls, text: str) -> Words:
        """Split a text, its full-width characters as ASCII."""
        plain = to_halfwidth(text)
        words, gaps, end = [], [], 0
        for match in _WORD.finditer(plain):
            words.append(match[0].lower().replace("’", "'"))
            gaps.append(plain[end : match.start()])
            end = match.end()
        return cls(words, [*gaps, plain[end:]])

    def __len__(self) -> int:
        return len(self.words)

    def kind(self, i: int) -> Verdict | None:
        """What word i says when it is a verdict."""
        return _VERDICTS.get(self.words[i]) if 0 <= i < len(self) else None

    def stands_alone(self, i: int) -> bool:
        """Whether a verdict word is one here, which only a bare "no" can fail to be: "no text", "no-one"."""
        if self.words[i] != "no":
            return True
        last = i + 3  # the longest row of "no no no" that is followed to its end
        while i < last and self.words[i + 1 : i + 2] == ["no"] and self.gaps[i + 1] == " ":
            i += 1
        if i == last or i + 1 == len(self):
            return True
        after = self.gaps[i + 1]
        if not after.strip():
            return "\n" in after or self.words[i + 1] in LISTS["clause_starts"]
        if after in ("-", "/", "‑"):
            return self.kind(i + 1) is not None
        return not after[0].isspace() or "\n" in after or after.lstrip()[0] in "-–—(<:;,."
