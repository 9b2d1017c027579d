"""How the commands of ``qreal annotate`` report what a user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qreal_tasks.console.command_line import end_on_interrupt, fail
from qreal_tasks.console.terminal import echo


def warn(message: str) -> None:
    """Print a warning on standard error."""
    echo(f"Warning: {message}", colour="yellow", err=True)


@contextmanager
def report_errors(command: str) -> Iterator[None]:
    """End with one clear message on standard error and a non-zero status for everything that a user can mend.

    Args:
        command: as typed after ``qreal``, such as ``annotate run``.
    """
    from annotation.errors import AnnotationError
    from qreal_tasks.files.sqlite_file import StoreError
    from qreal_tasks.intake.errors import IntakeError
    from qreal_tasks.llm.errors.retry import StoppedRun
    from qreal_tasks.models.errors import LocalModelError
    from qreal_tasks.shards.errors import ShardError

    try:
        with end_on_interrupt(command):
            yield
    except (AnnotationError, IntakeError, LocalModelError, ShardError, StoppedRun, StoreError, OSError) as error:
        fail(command, error)
    except ImportError as error:
        advice = "Local models need torch and transformers: install qreal-bench[annotate,annotate-local]"
        fail(command, f"{error}. {advice}")
