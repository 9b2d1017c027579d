"""What the commands share: how they fail, and what a typed argument means."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import typer


def fail(command: str, error: Exception | str) -> NoReturn:
    """One clear message on standard error, and a non-zero exit.

    Args:
        command: as typed after ``qreal``, such as ``judge run``.
    """
    typer.secho(f"qreal {command}: {error}", fg=typer.colors.RED, err=True)
    raise typer.Exit(1)


def as_folder(dataset: str | None) -> str | None:
    """A typed argument that is a folder means the folder, however much it looks like a hub id."""
    folder = Path(dataset or "").expanduser()
    return str(folder.resolve()) if dataset and folder.is_dir() else dataset
