"""What is written down of a step that is done: by which commands, after what, and how long it took.

A step is done while its record is there, was made by the same commands after the same steps, and all that it made is
there. So a step whose commands have changed, or that uses a result that was made anew, is done again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from qreal_tasks.files.atomic import write_whole
from qreal_tasks.files.regular import read_text
from qreal_tasks.steps.step import Step, StepCommand

_FOLDER = "FOLDER"
"""Stands for the folder of all steps, so that it may be moved."""


@dataclass(frozen=True)
class StepRecord:
    """A step that is done."""

    commands: list[str]
    """As somebody would type them; the folder of all steps is ``FOLDER``."""
    after: dict[str, str]
    """Step that it uses to when that was finished."""
    seconds: float
    """What the commands took, of the last start."""
    finished: str
    """Date and time, in UTC."""


@dataclass(frozen=True)
class StepRecords:
    """The records of all steps of a folder."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / "steps" / f"{name}.json"

    def log(self, name: str) -> Path:
        """Where everything goes that the commands of a step print."""
        return self.folder / "logs" / f"{name}.log"

    def read(self, name: str) -> StepRecord | None:
        """The record of a step; None where there is none that can be read."""
        try:
            return StepRecord(**json.loads(read_text(self.path(name))))
        except (OSError, ValueError, TypeError):
            return None

    def find_done(self, steps: Sequence[Step]) -> Mapping[str, StepRecord]:
        """Records of the steps that are done."""
        found: dict[str, StepRecord] = {}
        for step in steps:
            record = self.read(step.name)
            if record is not None and self._stands(step, record, found):
                found[step.name] = record
        return found

    def write(self, step: Step, seconds: float) -> None:
        """Write down that a step is done.

        Raises:
            OSError: it cannot be written.
        """
        finished = datetime.now(UTC).isoformat(timespec="microseconds")
        record = StepRecord(self._typed(step.commands), self._times(step), round(seconds, 1), finished)
        write_whole(self.path(step.name), json.dumps(asdict(record), indent=1) + "\n")

    def _stands(self, step: Step, record: StepRecord, done: Mapping[str, StepRecord]) -> bool:
        if record.commands != self._typed(step.commands) or not all(path.exists() for path in step.makes):
            return False
        return record.after == {name: done[name].finished for name in step.after if name in done}

    def _times(self, step: Step) -> dict[str, str]:
        found = {name: self.read(name) for name in step.after}
        return {name: record.finished for name, record in found.items() if record is not None}

    def _typed(self, commands: Sequence[StepCommand]) -> list[str]:
        return [str(command).replace(str(self.folder), _FOLDER) for command in commands]
