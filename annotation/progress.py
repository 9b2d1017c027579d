"""When which shard was done: one JSON line each, so that the time left can be told, also by another program."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path


class ProgressLog:
    """Appends to ``progress.jsonl``. Only the program that runs the stages writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, stage: str) -> None:
        """A stage starts, or goes on."""
        self._write({"stage": stage, "begin": True})

    def done(self, stage: str, shard: int) -> None:
        """A shard is on disk."""
        self._write({"stage": stage, "shard": shard})

    def _write(self, said: dict[str, object]) -> None:
        with self._path.open("a", encoding="ascii") as file:
            file.write(json.dumps({**said, "at": round(time.time(), 3)}) + "\n")


@dataclass(frozen=True)
class Pace:
    """How fast a stage went."""

    shards: int
    seconds: float

    @property
    def seconds_a_shard(self) -> float:
        return self.seconds / self.shards


def paces(path: Path) -> dict[str, Pace]:
    """Of each stage since it was last begun. A line that was cut off by a crash is passed over."""
    begun: dict[str, float] = {}
    counts: dict[str, int] = {}
    found: dict[str, Pace] = {}
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        try:
            said = json.loads(line)
            stage, at, begins = said["stage"], float(said["at"]), "begin" in said
        except (ValueError, KeyError, TypeError):
            continue
        if begins:
            begun[stage], counts[stage] = at, 0
        elif stage in begun:
            counts[stage] += 1
            found[stage] = Pace(counts[stage], at - begun[stage])
    return found
