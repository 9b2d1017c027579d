"""How the commands say what a user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from qreal_tasks.console import command_line
from qreal_tasks.console.terminal import echo


@contextmanager
def explained(command: str) -> Iterator[None]:
    """One clear message on standard error and a non-zero exit for everything that a user can mend."""
    from annotation.errors import AnnotationError
    from qreal_tasks.files.sqlite_file import StoreError
    from qreal_tasks.llm.errors.retry import StoppedRun

    try:
        yield
    except (AnnotationError, StoppedRun, StoreError, OSError) as error:
        fail(command, error)
    except ImportError as error:
        fail(
            command, f"{error}. Local models need torch and transformers: install qreal-bench[annotate,annotate-local]"
        )
    except KeyboardInterrupt:
        echo(f"qreal annotate {command}: stopped. Start the same command again to go on.", err=True)
        raise typer.Exit(130) from None


def fail(command: str, error: Exception | str) -> NoReturn:
    """As every command of this project fails."""
    command_line.fail(f"annotate {command}", error)
