"""What a step is: a name, a sentence, the commands that do it, and what they leave.

>>> print(qreal("eval", "--tasks", "qreal", QREAL_DATA="my set"))
QREAL_DATA='my set' qreal eval --tasks qreal
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_QREAL = (sys.executable, "-c", "from qreal_tasks.cli import main; main()")


@dataclass(frozen=True)
class StepCommand:
    """A program to run."""

    program: tuple[str, ...]
    """How this machine starts it."""
    name: str
    """What a user types for that."""
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that are set for it."""

    @property
    def words(self) -> tuple[str, ...]:
        return (*self.program, *self.arguments)

    def __str__(self) -> str:
        before = "".join(f"{name}={shlex.quote(value)} " for name, value in self.environment)
        return f"{before}{self.name} {shlex.join(self.arguments)}"


@dataclass(frozen=True)
class GoingOn:
    """How a step goes on where it was killed, instead of beginning anew."""

    keeps: Path
    """Which of what it makes is not removed."""
    once: str
    """A pattern of a path below that; the step can go on once there is such a file."""
    commands: tuple[StepCommand, ...]


@dataclass(frozen=True)
class Step:
    """A piece of work that is done whole or not at all."""

    name: str
    about: str
    """What is done, in a sentence."""
    commands: tuple[StepCommand, ...]
    makes: tuple[Path, ...]
    """Files and folders that the commands write, below the folder of all steps. All are there when the step is done;
    what is left of them by a step that was stopped is removed before it is done again."""
    after: tuple[str, ...] = ()
    """Steps whose results it uses."""
    going_on: GoingOn | None = None


def qreal(*arguments: object, **environment: object) -> StepCommand:
    """A command of ``qreal``, run by this interpreter; keyword arguments are variables of its environment."""
    variables = tuple((name, str(value)) for name, value in environment.items())
    return StepCommand(_QREAL, "qreal", tuple(map(str, arguments)), variables)


def python_module(module: str, *arguments: object) -> StepCommand:
    """A module, run by this interpreter."""
    return StepCommand((sys.executable, "-m", module), f"python -m {module}", tuple(map(str, arguments)))


def require_order(steps: Sequence[Step]) -> None:
    """Require that every step stands behind those that it uses, and that no name comes twice.

    Raises:
        ValueError: names the step.
    """
    before: set[str] = set()
    for step in steps:
        if step.name in before:
            raise ValueError(f"step {step.name} stands twice in the list")
        if missing := [name for name in step.after if name not in before]:
            raise ValueError(f"step {step.name} comes before {', '.join(missing)}, which it uses")
        before.add(step.name)
