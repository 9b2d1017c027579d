"""The log of how long the shards took: one JSON line each, so that any program can tell the time left.

Seconds are of a clock that only goes forward, from when the stage was begun.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from qreal_tasks.files.atomic import named
from qreal_tasks.files.regular import read_text


class ProgressLog:
    """Appends to ``progress.jsonl``. Only the program that runs the stages writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun = time.monotonic()

    def begin(self, stage: str) -> None:
        """Record that a stage starts, or goes on."""
        self._begun = time.monotonic()
        self._write({"stage": stage, "begin": True})

    def done(self, stage: str, shard: int, items: int) -> None:
        """Record that a shard is on disk.

        Args:
            items: those of the shard that were asked or computed since the stage was begun: what the record of calls
                held before says nothing of the pace.
        """
        seconds = round(time.monotonic() - self._begun, 3)
        self._write({"stage": stage, "shard": shard, "items": items, "seconds": seconds})

    def _write(self, entry: dict[str, object]) -> None:
        with named(self._path), self._path.open("a", encoding="ascii") as file:
            file.write(json.dumps(entry) + "\n")


@dataclass(frozen=True)
class Pace:
    """How fast a stage went; ``annotation.run.items`` says what its items are."""

    items: int
    seconds: float

    def seconds_for(self, items: int) -> float | None:
        """How long so many more take; None before the first one was done."""
        return items * self.seconds / self.items if self.items else None


def read_paces(path: Path) -> dict[str, Pace]:
    """Read how fast each stage went since it was last begun. A line that was cut off by a crash, or was written
    without items or seconds by an earlier version, is passed over."""
    counts: dict[str, int] = {}
    found: dict[str, Pace] = {}
    try:
        lines = read_text(path, encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        try:
            entry = json.loads(line)
            stage, begins = entry["stage"], "begin" in entry
            items, seconds = (0, 0.0) if begins else (int(entry["items"]), float(entry["seconds"]))
        except (ValueError, KeyError, TypeError):
            continue
        if begins:
            counts[stage] = 0
        elif stage in counts:
            counts[stage] += items
            found[stage] = Pace(counts[stage], seconds)
    return found
