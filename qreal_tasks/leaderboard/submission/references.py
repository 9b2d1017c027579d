"""What the dataset says about every sample, to hold submitted records against.

references = load_references(locate("org/q-real@main"))
references.expected(record)  # the record that this text must have given
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, PromptFrame, Style, task_of
from qreal_tasks.boxes import Space
from qreal_tasks.dataset.drawn import is_drawn_id
from qreal_tasks.leaf_tasks import TASKS, Half, tasks_of
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record
from qreal_tasks.samples import (
    ModelAnswer,
    Row,
    SampleContext,
    build_record,
    grounding_record,
    in_human_set,
    judgment_record,
)
from qreal_tasks.text.addresses import shown


@dataclass(frozen=True)
class References:
    """Rows of the test split, by what is asked about; pictures left out."""

    name: str
    """On the hub; of a folder its last name, because boards show it."""
    is_drawn: bool
    """Whether ``qreal mini`` drew it, all or a part."""
    commit: str | None
    """On the hub."""
    entities: Mapping[str, Row]
    """``entity_id`` to its row of ``objectqa``."""
    images: Mapping[str, Row]
    """``image_id`` to its row of ``imageqa``."""
    practice: bool = False
    """Whether submissions on drawn pictures pass, to try how submitting goes."""
    _made: dict[Half, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        name: str,
        objectqa: Iterable[Row],
        imageqa: Iterable[Row],
        *,
        is_drawn: bool = False,
        commit: str | None = None,
    ) -> References:
        """From rows as ``datasets`` gives them; ids of drawn images tell by themselves."""
        entities = {row["entity_id"]: row for row in objectqa}
        images = {row["image_id"]: row for row in imageqa}
        return cls(name, is_drawn or any(map(is_drawn_id, (*entities, *images))), commit, entities, images)

    def ids(self, task: str) -> frozenset[str]:
        """Every sample that a task asks."""
        half, name = TASKS[task]
        if half is Half.OBJECTQA:
            return frozenset(self.entities)
        return frozenset(i for i, row in self.images.items() if name != "human_plausibility" or in_human_set(row))

    def tasks(self, half: Half, style: Style) -> tuple[str, ...]:
        """The leaf tasks that a submission complete in ``half`` has; a set without portraits has two sets."""
        return tuple(task for task in tasks_of(half, style) if self.ids(task))

    def expected(self, record: Record) -> Record | None:
        """The record that the hooks would have made of this text; None when nothing of that id was asked.

        What cannot be known from text and dataset is taken from ``record``: P(Yes) and mass, the size that the
        backend fed the model, why a text that cannot be read is none, and what a judge said.
        """
        reported: dict[str, Any] = {"unanswered": record.reason} if record.reason else {}
        if isinstance(record, GroundingRecord) and record.input_size:
            reported["input_size"] = record.input_size
        answer = ModelAnswer.from_response(record.raw, json.dumps(reported))
        frame = PromptFrame(record.pre_prompt, record.post_prompt)
        context = SampleContext(record.data, frame=frame, reasoning_marks=record.reasoning_marks)
        if isinstance(record, JudgmentRecord):
            row = self.entities.get(record.entity_id)
            if row is None:
                return None
            answer = replace(answer, p_yes=record.p_yes, mass=record.mass)
            return judgment_record(row, record.question, answer, context)
        row = self.images.get(record.image_id)
        if row is None or (record.set_name == "human_plausibility" and not in_human_set(row)):
            return None
        found = grounding_record(row, record.set_name, answer, replace(context, space=Space(record.space)))
        return replace(found, scores=record.scores, judge=record.judge, unjudged=record.unjudged)

    def fingerprint(self, half: Half) -> str:
        """``fingerprint`` of the records that a whole run on this set has."""
        if half not in self._made:
            self._made[half] = fingerprint(self._blank(half))
        return self._made[half]

    def _blank(self, half: Half) -> Iterable[Record]:
        blank, context = ModelAnswer(""), SampleContext("")
        if half is Half.OBJECTQA:
            return (
                build_record(row, name, blank, context) for row in self.entities.values() for name in QUESTION_NAMES
            )
        return (
            build_record(self.images[image_id], name, blank, context)
            for name in IMAGEQA_SETS
            for image_id in self.ids(task_of(Style.BENCHMARK, name))
        )


def fingerprint(records: Iterable[Record]) -> str:
    """SHA-256 of what the dataset says in records of one half: ids, answers, boxes, labels, descriptions, sizes.

    It does not depend on where the set is, on its file format, or on the style that asked. Pictures are no part of it:
    a submission holds none.
    """
    lines = sorted(json.dumps(_reference(record)) for record in records)
    return hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()


def _reference(record: Record) -> Sequence[Any]:
    shared = (record.image_id, record.generator, record.is_portrait)
    if isinstance(record, JudgmentRecord):
        return (record.question, record.entity_id, *shared, record.label, record.reference)
    regions = [(r.entity_id, r.label, r.bbox_px, r.description) for r in record.reference]
    return (record.set_name, *shared, record.width, record.height, regions)


def load_references(value: str | None, *, practice: bool = False) -> References:
    """The test split of the dataset that ``value`` names (``dataset.source.locate``).

    Args:
        practice: as in ``References``; for drawn sets alone.

    Raises:
        DatasetError: it is missing, not what the schema says, or no drawn set where one is to be practised on.
    """
    from qreal_tasks.dataset.loading import load_split
    from qreal_tasks.dataset.source import DatasetError, locate

    source = locate(value)
    sets = [load_split(source, half.value, "test") for half in Half]
    rows = [one.remove_columns(["image"]).to_list() for one in sets]
    found = References.of(shown(source.name), rows[0], rows[1], is_drawn=source.is_drawn, commit=source.commit)
    if practice and not found.is_drawn:
        raise DatasetError(f"--practice is for pictures that `qreal mini` drew; {found.name} has none, leave it out")
    return replace(found, practice=practice)
