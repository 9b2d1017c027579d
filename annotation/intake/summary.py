"""What ``init`` says at its end: what became of the inputs, what they lack, and what had to be guessed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from annotation.intake.listed import UNKNOWN_GENERATOR
from annotation.run import shards
from annotation.run.folder import RunFolder
from annotation.run.items import counted
from annotation.run.schemas import State
from qreal_tasks.text.one_line import one_line
from qreal_tasks.text.prompts import normalize_prompt

_MOST_NAMED = 20
"""Inputs that are named one by one."""

_COLUMNS = ("name", "state", "reason", "note", "prompt", "generator")


class Summary:
    """The inputs of a run, counted.

    Raises:
        AnnotationError: the manifest is missing or damaged.
    """

    def __init__(self, run: RunFolder) -> None:
        self._manifest = run.manifest_path
        self._rows: list[dict[str, Any]] = shards.read_table(self._manifest, list(_COLUMNS)).to_pylist()
        self._accepted = [row for row in self._rows if row["state"] == State.DONE]
        self._others = [row for row in self._rows if row["state"] != State.DONE]

    @property
    def inputs(self) -> int:
        return len(self._rows)

    @property
    def accepted(self) -> int:
        return len(self._accepted)

    def named(self) -> Iterator[str]:
        """A line for each of the first inputs that are not annotated, and why."""
        for row in self._others[:_MOST_NAMED]:
            yield f"{row['state']}: {one_line(row['name'], 120)}: {one_line(row['reason'], 500)}"
        if len(self._others) > _MOST_NAMED:
            yield f"… and {len(self._others) - _MOST_NAMED} more; {self._manifest} has them all"

    def counted(self) -> Iterator[str]:
        """How many inputs, what was rejected why, what is missing, and notes."""
        states = Counter("accepted" if row["state"] == State.DONE else row["state"] for row in self._rows)
        yield f"{counted(self.inputs, 'inputs')}: " + ", ".join(
            f"{count} {state}" for state, count in states.most_common()
        )
        rejected = Counter(kind_of(row["reason"]) for row in self._others if row["state"] == State.REJECTED)
        for reason, count in rejected.most_common():
            yield f"  {count} rejected: {reason}"
        bare = sum(not normalize_prompt(row["prompt"]) for row in self._accepted)
        if bare:
            yield (
                f"  {bare} of {self.accepted} images without a prompt: each counts as a prompt of its own (prompts "
                "come from x.txt or x.caption beside x.png, metadata.csv or .jsonl, or a table's column prompt)"
            )
        unknown = sum(row["generator"] == UNKNOWN_GENERATOR for row in self._accepted)
        if unknown:
            yield (
                f"  {unknown} of {self.accepted} images without a generator: it is written as {UNKNOWN_GENERATOR} "
                "(generators come from folders, as in IMAGES/sdxl/1.png, or a table's column generator)"
            )
        notes = Counter(kind for row in self._accepted for kind in _kinds(row["note"]))
        for note, count in notes.most_common():
            yield f"  {count} {'image' if count == 1 else 'images'}: {note}"


def kind_of(reason: str) -> str:
    """What many reasons have in common: what stands before the details.

    >>> kind_of("no such file: looked for /pictures/1.png"), kind_of("the file is empty (0 bytes)")
    ('no such file', 'the file is empty')
    """
    return re.split(r":| \(", reason, maxsplit=1)[0]


def _kinds(note: str) -> Iterator[str]:
    return map(kind_of, filter(None, note.split("; ")))
