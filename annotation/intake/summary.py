"""The end of ``qreal annotate init``: what became of the inputs, what they lack, and what had to be guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from annotation.run.folder import RunFolder
from annotation.run.items import format_count
from annotation.run.schemas import Row, State
from qreal_tasks.intake.inputs import UNKNOWN_GENERATOR
from qreal_tasks.intake.reasons import reason_kind
from qreal_tasks.shards import parquet_files as shards
from qreal_tasks.text.one_line import one_line
from qreal_tasks.text.prompts import normalize_prompt

_MOST_NAMED = 20
"""Inputs that are named one by one."""

_COLUMNS = ("name", "state", "reason", "note", "prompt", "generator")


class IntakeSummary:
    """Counts of the inputs of a run.

    Raises:
        AnnotationError: the manifest is missing or damaged.
    """

    def __init__(self, run: RunFolder) -> None:
        self._manifest = run.manifest_path
        self._rows: list[Row] = shards.read_table(self._manifest, list(_COLUMNS)).to_pylist()
        self._accepted = [row for row in self._rows if row["state"] == State.DONE]
        self._others = [row for row in self._rows if row["state"] != State.DONE]

    @property
    def inputs(self) -> int:
        return len(self._rows)

    @property
    def accepted(self) -> int:
        return len(self._accepted)

    def list_rejected(self) -> Iterator[str]:
        """A line for each of the first inputs that are not annotated, and why."""
        for row in self._others[:_MOST_NAMED]:
            yield f"{row['state']}: {one_line(row['name'], 120)}: {one_line(row['reason'], 500)}"
        if len(self._others) > _MOST_NAMED:
            yield f"… and {len(self._others) - _MOST_NAMED} more; {self._manifest} has them all"

    def list_counts(self) -> Iterator[str]:
        """How many inputs, what was rejected why, what is missing, and notes."""
        states = Counter("accepted" if row["state"] == State.DONE else row["state"] for row in self._rows)
        yield f"{format_count(self.inputs, 'inputs')}: " + ", ".join(
            f"{count} {state}" for state, count in states.most_common()
        )
        rejected = Counter(reason_kind(row["reason"]) for row in self._others if row["state"] == State.REJECTED)
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
        notes = Counter(
            kind for row in self._accepted for kind in map(reason_kind, filter(None, row["note"].split("; ")))
        )
        for note, count in notes.most_common():
            yield f"  {count} {'image' if count == 1 else 'images'}: {note}"
