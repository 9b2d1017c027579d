"""What the commands share: how they fail, and what a typed argument means."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from qreal_tasks.console.terminal import echo
from qreal_tasks.files.system_errors import told, words_of
from qreal_tasks.files.user_cache import NoHomeError
from qreal_tasks.text.redaction import Private, without_private

if TYPE_CHECKING:  # it brings NumPy, for which `qreal --help` must not wait
    from qreal_tasks.benchmark import Style


def _style(typed: str) -> Style:
    from qreal_tasks.benchmark import Style

    try:
        return Style(typed)
    except ValueError:
        raise typer.BadParameter(f"found {typed!r}, expected {' or '.join(Style)}") from None


PROMPTS = typer.Option(
    "--prompts",
    parser=_style,
    metavar="benchmark|paper",
    help="Which tasks are read, qreal or qreal_paper. Needed only where one run has both.",
    show_default=False,
)
"""Annotate its parameter as ``Any``: typer looks types up when it starts, and the value is a ``Style`` or None."""


def fail(command: str, error: Exception | str) -> NoReturn:
    """One clear message on standard error, and a non-zero exit.

    Args:
        command: as typed after ``qreal``, such as ``judge run``.
    """
    said = words_of(error) if isinstance(error, OSError) else error
    said = without_private(f"qreal {command}: {said}", [Private.KEY])  # a library may quote what it was given
    echo(said, colour=typer.colors.RED, err=True)
    raise typer.Exit(1)


@contextmanager
def errors_told() -> Iterator[None]:
    """End the program for errors that no command has told: in one line where the system refuses something, such as a
    full disk, whichever library ran into it, or where there is no home folder; else as Python does. No line holds one
    of the user's keys, which a library may have quoted."""
    try:
        yield
    except Exception as error:
        said = _no_home(error) or told(error)
        text = traceback.format_exc().rstrip("\n") if said is None else f"qreal: {said}"
        echo(without_private(text, [Private.KEY]), colour=None if said is None else typer.colors.RED, err=True)
        raise SystemExit(1) from None


def _no_home(error: Exception) -> str | None:
    if isinstance(error, NoHomeError):
        return str(error)
    if isinstance(error, RuntimeError) and "home directory" in str(error):  # pathlib has no class of its own for it
        return f"~ stands for the home folder, and there is none ({error}): HOME is not set; write the whole path"
    return None


def as_folder(dataset: str | None) -> str | None:
    """A typed argument that is a folder means the folder, however much it looks like a hub id."""
    folder = Path(dataset or "").expanduser()
    return str(folder.resolve()) if dataset and folder.is_dir() else dataset
