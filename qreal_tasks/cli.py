"""The ``qreal`` command, put together from the entry points ``qreal.commands`` of what is installed.

A value is a Typer app, or the function of one command. Modules are loaded when their command is called or help is
shown. They leave heavy imports to their functions, so that ``qreal --help`` answers at once.
"""

from __future__ import annotations

import functools
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from qreal_tasks import __version__
from qreal_tasks.console.command_line import fail, join_lines, new_group, run_program
from qreal_tasks.console.terminal import echo

ENTRY_POINTS = "qreal.commands"

_ORDER = (
    *("eval", "score", "compare", "mini", "mini-model", "demo", "tour", "convert-internvl", "tasks-path", "data"),
    *("judge", "screen", "serve", "submit", "leaderboard", "train", "reproduce", "annotate"),
)
"""Order of the help page; commands of other packages follow by name."""


class _EntryPointGroup(TyperGroup):
    """A group whose commands are loaded from entry points."""

    @functools.cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        found = {one.name: one for one in entry_points(group=ENTRY_POINTS)}
        if not found:
            fail("", f"no commands are installed (entry points {ENTRY_POINTS}); install qreal-bench again")
        return found

    def list_commands(self, ctx: Any) -> list[str]:
        places = {name: place for place, name in enumerate(_ORDER)}
        return sorted(self._entry_points, key=lambda name: (places.get(name, len(places)), name))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self._entry_points:
            for name in self._entry_points:  # of what is loaded, typer names what may be meant
                self.get_command(ctx, name)
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _load(self._entry_points[cmd_name])
        return self.commands[cmd_name]


def _load(entry_point: EntryPoint) -> Any:
    try:
        value = entry_point.load()
    except Exception as error:
        where = f"entry point {ENTRY_POINTS}: {entry_point.name} = {entry_point.value}"
        fail(entry_point.name, f"{where} cannot be loaded ({type(error).__name__}: {error})")
    if not isinstance(value, typer.Typer):
        function, value = value, typer.Typer(add_completion=False)
        value.command(entry_point.name)(function)
    command = get_command(value)
    command.name = entry_point.name
    _join_help(command)
    return command


def _join_help(command: Any) -> None:
    """Let the help of a command, and of those below it, fill the terminal (``join_lines``)."""
    command.help = join_lines(command.help or "")
    for one in getattr(command, "commands", {}).values():
        _join_help(one)


app = new_group(
    "Q-Real Bench: which entities of a generated image are unreal or implausible, and why.\n\n"
    "qreal demo              # start here: a minute, nothing is downloaded\n"
    "qreal COMMAND --help    # an example, the options, where it writes",
    _EntryPointGroup,
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        echo(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point of the ``qreal`` command."""
    run_program(app)


if __name__ == "__main__":  # python -m qreal_tasks.cli, where the script of the environment is not at hand
    main()
