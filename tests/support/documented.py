"""What the pages tell people to type: commands in blocks of code, and those inside sentences."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    sorted(
        [
            *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "tests/benchmarks/README.md")),
            ROOT / "qreal_tasks/harness/tasks/README.md",
            *(ROOT / "docs").glob("*.md"),
        ]
    )
)
SAMPLES = tuple(sorted((ROOT / "configs").rglob("*.yaml")))
"""Files that say in comments how they are used."""

_BLOCK = re.compile(r"^ *```(?P<kind>\w*)\n(?P<text>.*?)^ *```", re.DOTALL | re.MULTILINE)
_SHELL = ("", "bash", "sh", "console")
_INLINE = re.compile(r"`([^`]+)`")
_ENDS = ("&&", "||", "|", ";", "&")
_PLACEHOLDERS = ("…", "...")


@dataclass(frozen=True)
class Documented:
    """A command as it stands on a page."""

    page: str
    words: tuple[str, ...]
    """Without the program's name."""

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


def find_commands(program: str) -> Iterator[Documented]:
    """Commands of a program in blocks of code of the pages, and in comments of sample files."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        blocks = [one["text"] for one in _BLOCK.finditer(text) if one["kind"] in _SHELL]
        yield from _commands_in(path, "\n".join(blocks), program)
    for path in SAMPLES:
        comments = re.findall(r"^# {4,}(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        yield from _commands_in(path, "\n".join(comments), program)


def find_mentions(program: str) -> Iterator[Documented]:
    """What stands between backticks in a sentence and begins with the program's name."""
    for path in PAGES:
        text = _BLOCK.sub("", path.read_text(encoding="utf-8"))
        for span in _INLINE.findall(text):
            words = span.split()
            if words[:1] == [program]:
                yield Documented(_name(path), tuple(words[1:]))


def _commands_in(path: Path, text: str, program: str) -> Iterator[Documented]:
    for line in text.replace("\\\n", " ").splitlines():
        reader = shlex.shlex(line, posix=True, punctuation_chars="&|;")
        reader.whitespace_split = True
        try:
            words = [word for word in reader if word not in _PLACEHOLDERS]
        except ValueError:
            continue  # no line of a shell
        for part in _split(words):
            while part and re.fullmatch(r"\w+=.*", part[0]):  # a variable of the environment
                part = part[1:]
            if part[:1] == [program]:
                yield Documented(_name(path), tuple(part[1:]))


def _split(words: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        if word in _ENDS:
            yield part
            part = []
        else:
            part.append(word)
    yield part


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
