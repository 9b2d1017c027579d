"""The help of every command: what it does, an example that is one, every option with its default, where it writes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
from typer.main import get_command

from qreal_tasks.cli import app


@dataclass(frozen=True)
class Helped:
    """One command with what is typed for it."""

    words: tuple[str, ...]
    command: Any

    @property
    def is_group(self) -> bool:
        return hasattr(self.command, "list_commands")

    @property
    def text(self) -> str:
        return str(self.command.help or "").replace("\b", "")

    @property
    def examples(self) -> list[str]:
        return [line.strip() for line in self.text.splitlines() if re.match(r" *(QREAL_DATA=\S+ )?qreal\b", line)]


def walk(command: Any, words: tuple[str, ...]) -> Iterator[Helped]:
    yield Helped(words, command)
    if hasattr(command, "list_commands"):
        context = click.Context(command, info_name=words[-1])
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), (*words, name))


COMMANDS = list(walk(get_command(app), ("qreal",)))
BY_WORDS = {one.words: one for one in COMMANDS}


def find(words: list[str]) -> Helped:
    """The command that an example calls; the ``run`` of a group need not be typed."""
    found = BY_WORDS["qreal",]
    for word in words[1:]:
        if not found.is_group or (*found.words, word) not in BY_WORDS:
            break
        found = BY_WORDS[*found.words, word]
    return BY_WORDS.get((*found.words, "run"), found)


def named(one: Helped) -> str:
    return " ".join(one.words)


def test_all_commands_are_walked() -> None:
    leaves = [named(one) for one in COMMANDS if not one.is_group]
    assert len(leaves) >= 30
    assert {"qreal score", "qreal train export", "qreal annotate verify merge", "qreal judge run"} <= set(leaves)


def test_the_first_line_is_a_sentence_that_says_what_it_does() -> None:
    for one in COMMANDS:
        first = one.text.split("\n\n", maxsplit=1)[0].strip()
        assert re.fullmatch(r"[A-Z][^\n]*\.", first), f"{named(one)}: {first!r}"
        verb = first.partition(" ")[0]
        assert one.is_group or verb not in ("The", "A", "An", "How", "Per", "What"), f"{named(one)}: {first!r}"


def test_an_example_calls_the_command_with_options_that_it_has() -> None:
    for one in COMMANDS:
        called = []
        for example in one.examples:
            words = shlex.split(example.split("  #")[0].split("&&")[0])
            words = words[words.index("qreal") :]
            target = find(words)
            called.append(target.words[: len(one.words)])
            if target.words == ("qreal", "eval"):
                continue  # its options are the harness's
            known = {name for parameter in target.command.params for name in parameter.opts + parameter.secondary_opts}
            typed = {word for word in words if word.startswith("--")} - {"--help"}
            assert typed <= known, f"{named(one)}: {example}"
        assert one.words in called, f"{named(one)}: no line that begins with it"


def test_it_says_where_it_writes() -> None:
    for one in COMMANDS:
        assert one.is_group or re.search(r"\b[Ww]rites? ", one.text), named(one)


def test_every_option_has_help_and_its_default() -> None:
    for one in COMMANDS:
        for parameter in one.command.params:
            about = f"{named(one)} {parameter.opts[0]}: {parameter.help!r}"
            assert re.search(r"\w{2}.*[.…]$", parameter.help or ""), about
            is_shown = parameter.default not in (None, "", []) and parameter.show_default is not False
            if not parameter.required and not is_shown:
                assert re.search(r"\b[Dd]efault: |Not with", parameter.help), (
                    f"{about} does not say what holds without it"
                )
