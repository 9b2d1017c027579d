"""What the dataset says about every sample, to hold submitted records against.

references = load_references(locate("org/q-real@main"))
references.expected(record)  # the record that this text must have given
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.boxes import Space
from qreal_tasks.leaderboard.model_info import shown
from qreal_tasks.leaderboard.tasks import TASKS, Half
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record
from qreal_tasks.samples import Row, grounding_record, in_human_set, judgment_record

_COMMIT = re.compile(r"^hf://datasets/[^@]+@(?P<commit>[0-9a-f]{40})/")


@dataclass(frozen=True)
class References:
    """Rows of the test split, by what is asked about; pictures left out."""

    name: str
    """On the hub; of a folder its last name, because boards show it."""
    is_mini: bool
    commit: str | None
    """On the hub, when the library tells it."""
    entities: Mapping[str, Row]
    """``entity_id`` to its row of ``objectqa``."""
    images: Mapping[str, Row]
    """``image_id`` to its row of ``imageqa``."""
    _made: dict[Half, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        name: str,
        objectqa: Iterable[Row],
        imageqa: Iterable[Row],
        *,
        is_mini: bool = False,
        commit: str | None = None,
    ) -> References:
        """From rows as ``datasets`` gives them."""
        entities = {row["entity_id"]: row for row in objectqa}
        return cls(name, is_mini, commit, entities, {row["image_id"]: row for row in imageqa})

    def ids(self, task: str) -> frozenset[str]:
        """Every sample that a task asks."""
        half, name = TASKS[task]
        if half is Half.OBJECTQA:
            return frozenset(self.entities)
        return frozenset(i for i, row in self.images.items() if name != "human_plausibility" or in_human_set(row))

    def tasks(self, half: Half) -> tuple[str, ...]:
        """The leaf tasks that a submission complete in ``half`` has; a set without portraits has two sets."""
        return tuple(task for task, (its, _) in TASKS.items() if its is half and self.ids(task))

    def expected(self, record: Record) -> Record | None:
        """The record that the hooks would have made of this text; None when nothing of that id was asked.

        What cannot be known from text and dataset is taken from ``record``: P(Yes) and mass, the size that the
        backend fed the model, why a text that cannot be read is none, and what a judge said.
        """
        said = {"input_size": record.input_size} if isinstance(record, GroundingRecord) and record.input_size else {}
        beside = json.dumps({**said, **({"unanswered": record.reason} if record.reason else {})})
        if isinstance(record, JudgmentRecord):
            row = self.entities.get(record.entity_id)
            if row is None:
                return None
            made = judgment_record(row, record.question, record.raw, beside, record.data)
            return replace(made, p_yes=record.p_yes, mass=record.mass)
        row = self.images.get(record.image_id)
        if row is None or (record.set_name == "human_plausibility" and not in_human_set(row)):
            return None
        found = grounding_record(row, record.set_name, record.raw, beside, Space(record.space), record.data)
        return replace(found, scores=record.scores, judge=record.judge, unjudged=record.unjudged)

    def fingerprint(self, half: Half) -> str:
        """``fingerprint`` of the records that a whole run on this set has."""
        if half not in self._made:
            self._made[half] = fingerprint(self._blank(half))
        return self._made[half]

    def _blank(self, half: Half) -> Iterable[Record]:
        if half is Half.OBJECTQA:
            return (judgment_record(r, q, "", None, "") for r in self.entities.values() for q in QUESTION_NAMES)
        return (
            grounding_record(self.images[image_id], TASKS[task][1], "", None, Space.NORM1000, "")
            for task in self.tasks(half)
            for image_id in self.ids(task)
        )


def fingerprint(records: Iterable[Record]) -> str:
    """SHA-256 of what the dataset says in records of one half: ids, answers, boxes, labels, descriptions, sizes.

    It does not depend on where the set is or on its file format. Pictures are no part of it: a submission holds none.
    """
    lines = sorted(json.dumps(_reference(record)) for record in records)
    return hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()


def _reference(record: Record) -> Sequence[Any]:
    shared = (record.image_id, record.generator, record.is_portrait)
    if isinstance(record, JudgmentRecord):
        return (record.question, record.entity_id, *shared, record.label, record.reference)
    regions = [(r.entity_id, r.label, r.bbox_px, r.description) for r in record.reference]
    return (record.set_name, *shared, record.width, record.height, regions)


def load_references(value: str | None) -> References:
    """The test split of the dataset that ``value`` names (``dataset.locate``).

    Raises:
        DatasetError: it is missing, or not what the schema says.
    """
    from qreal_tasks.dataset import load, locate

    source = locate(value)
    sets = [load(source, half.value, "test") for half in Half]
    commits = {found for one in sets if (found := commit_of(one.info.download_checksums))}
    rows = [one.remove_columns(["image"]).to_list() for one in sets]
    commit = commits.pop() if len(commits) == 1 else None
    return References.of(shown(source.name), rows[0], rows[1], is_mini=source.is_mini, commit=commit)


def commit_of(checksums: Mapping[str, Any] | None) -> str | None:
    """The hub's commit in the addresses that ``datasets`` notes for what it loaded.

    >>> commit_of({"hf://datasets/org/name@" + "0a" * 20 + "/data/test.parquet": {}})
    '0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a'
    """
    found = {match["commit"] for address in checksums or {} if (match := _COMMIT.match(address))}
    return found.pop() if len(found) == 1 else None


@functools.cache
def mini_fingerprints() -> Mapping[Half, str]:
    """Of the embedded set, so that a copy of it under another name is known."""
    mini = load_references("mini")
    return {half: mini.fingerprint(half) for half in Half}
