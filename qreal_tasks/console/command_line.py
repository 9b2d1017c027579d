"""What the commands share: how their groups are made, how they fail, and what a typed argument means."""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperGroup

from qreal_tasks.console.terminal import echo, prepare_output
from qreal_tasks.files.system_errors import describe_os_error, explain_refusal
from qreal_tasks.files.user_cache import NoHomeError
from qreal_tasks.shipped import is_shipped
from qreal_tasks.text.redaction import Private, redact

if TYPE_CHECKING:  # it brings NumPy, for which `qreal --help` must not wait
    from qreal_tasks.benchmark import Style


def parse_style(typed: str) -> Style:
    """The prompt style that somebody typed, for options of typer."""
    from qreal_tasks.benchmark import Style

    try:
        return Style(typed)
    except ValueError:
        raise typer.BadParameter(f"found {typed!r}, expected {' or '.join(Style)}") from None


PROMPTS = typer.Option(
    "--prompts",
    parser=parse_style,
    metavar="benchmark|paper",
    help="Which tasks are read, qreal or qreal_paper. Default: those that the run has; needed where it has both.",
    show_default=False,
)
"""Annotate its parameter as ``Any``: typer looks types up when it starts, and the value is a ``Style`` or None."""


class RunByDefault(TyperGroup):
    """A group with a command ``run`` that need not be typed: ``qreal judge RUN`` is ``qreal judge run RUN``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


def new_group(help_text: str, group: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """A group of commands, also of a single one; without arguments it shows its help."""
    return typer.Typer(
        cls=group,
        callback=lambda: None,  # makes it a group
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )


def join_lines(text: str) -> str:
    """The text of a help page with its lines joined to paragraphs, so that they fill a terminal of any width.

    Paragraphs that begin with a backspace character, as click marks examples, keep their lines.

    >>> join_lines("Do this and\\nthat.\\n\\n\\b\\nqreal do this\\nqreal do that")
    'Do this and that.\\n\\nqreal do this\\nqreal do that'
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        one.strip("\b\n") if one.startswith("\b") else " ".join(map(str.strip, one.splitlines())) for one in paragraphs
    )


def run_program(app: typer.Typer) -> None:
    """Run the command line as a whole program: safe output, and one line for errors of the system.

    Threads of torch sleep while they wait, unless ``OMP_WAIT_POLICY`` says otherwise: spinning ones take the cores from
    whatever else runs. OpenMP reads it when it is loaded, so it is set before any import.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    prepare_output()
    with exit_on_error():
        app()


def fail(command: str, error: Exception | str) -> NoReturn:
    """Print one message on standard error and end with exit status 1.

    Args:
        command: as typed after ``qreal``, such as ``judge run``.
    """
    text = describe_os_error(error) if isinstance(error, OSError) else error
    text = redact(f"{f'qreal {command}'.rstrip()}: {text}", [Private.KEY])  # a library may quote its input
    echo(text, colour=typer.colors.RED, err=True)
    raise typer.Exit(1)


@contextmanager
def fail_on(command: str, *errors: type[Exception]) -> Iterator[None]:
    """Let a command fail with one message, as ``fail`` prints it, when the block raises one of these errors."""
    try:
        yield
    except errors as error:
        fail(command, error)


@contextmanager
def end_on_interrupt(command: str) -> Iterator[None]:
    """Let a command that keeps what it has done end with one message when the user stops it from the keyboard."""
    try:
        yield
    except KeyboardInterrupt:
        echo(f"qreal {command}: stopped. Start the same command again to go on.", err=True)
        raise typer.Exit(130) from None


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End the program for errors that no command has reported. What the system refuses, such as a full disk, and a
    missing home folder are one line, whichever library ran into them; all else is Python's traceback. No line holds one
    of the user's keys, which a library may have quoted."""
    try:
        yield
    except Exception as error:
        line = _no_home(error) or explain_refusal(error)
        text = traceback.format_exc().rstrip("\n") if line is None else f"qreal: {line}"
        echo(redact(text, [Private.KEY]), colour=None if line is None else typer.colors.RED, err=True)
        raise SystemExit(1) from None


def _no_home(error: Exception) -> str | None:
    if isinstance(error, NoHomeError):
        return str(error)
    if isinstance(error, RuntimeError) and "home directory" in str(error):  # pathlib has no class of its own for it
        return f"~ stands for the home folder, and there is none ({error}): HOME is not set; write the whole path"
    return None


def as_folder(dataset: str | None) -> str | None:
    """The typed name of a dataset, as a full path where it is a folder, however much it looks like a hub id.

    ``mini`` stays the name of what ships.
    """
    folder = Path(dataset or "").expanduser()
    return str(folder.resolve()) if dataset and folder.is_dir() and not is_shipped(dataset) else dataset
