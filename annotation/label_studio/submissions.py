"""Reads votes from what was submitted in tasks of Label Studio.

A browser, a script or a hand in the database may have sent anything: a submission is read with what is known, or it is
none, with the task's number and the reason. No task raises an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from annotation.errors import first_fault
from annotation.label_studio.page import DROP, LABEL, PART
from annotation.label_studio.submitted_values import Number, SubmittedResults, read_submitted_box, to_finite
from annotation.label_studio.tasks import StoredSize
from annotation.merging.votes import DROP_REASONS, Vote
from qreal_tasks.benchmark import ANSWERS, BODY_PARTS, QUESTION_NAMES, Dimension
from qreal_tasks.text.one_line import one_line

FOREIGN = "expected entities of this run only; delete it there, or give the run a project of its own"
_MOST_CHARACTERS = 300
Json = Mapping[str, Any]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Submission:
    """What a person has left in a task: nothing, where it has neither ``vote`` nor ``reason``."""

    task_id: int | None
    """None where the task itself does not say."""
    entity_id: str | None = None
    """None where the task cannot be read, as for ``shown`` and ``updated_at``."""
    shown: Mapping[str, Any] | None = None
    """What was drafted: ``Form.shown``."""
    updated_at: str | None = None
    """When it was submitted, else when the task was changed."""
    vote: Vote | None = None
    reason: str = ""
    """Why it is no vote; it counts as not answered until it is mended on the page."""
    note: str = ""
    """What was read in another way than it was sent."""

    @property
    def name(self) -> str:
        """The task's number and the entity, for messages."""
        task = "a task without a number" if self.task_id is None else f"task {self.task_id}"
        return task if self.entity_id is None else f"{task}, {one_line(self.entity_id, _MOST_CHARACTERS)}"


def to_utc(value: object) -> str:
    """Convert a time to ISO 8601, always in UTC with microseconds, so that texts sort as times do.

    Raises:
        ValueError: it is none.
    """
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        known = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return known.astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError):
        raise ValueError("expected a time, such as 2026-11-25T08:00:00Z") from None


_Id = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
_Moment = Annotated[str, BeforeValidator(to_utc)]


class _Data(BaseModel):
    form: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    entity_id: Annotated[str, Field(pattern="#[0-9]+$")]
    shown: dict[str, Any]


class _Shown(BaseModel):
    label: str
    bbox_px: tuple[Number, Number, Number, Number]
    descriptions: dict[str, str]
    parts: dict[str, str | None] | None


class _Task(BaseModel):
    id: _Id
    updated_at: _Moment
    data: _Data
    annotations: list[Any] | None = None


class _Account(BaseModel):
    id: _Id


class _Annotation(BaseModel):
    id: _Id
    updated_at: _Moment
    was_cancelled: bool | None = None
    completed_by: _Id | _Account | None = None
    lead_time: Any = None
    result: list[dict[str, Any]] | None = None

    @property
    def account(self) -> int | None:
        return self.completed_by.id if isinstance(self.completed_by, _Account) else self.completed_by

    @property
    def seconds(self) -> float | None:
        """Spent on it; None where the page has not measured it."""
        seconds = to_finite(self.lead_time)
        return None if seconds is None or seconds < 0 else seconds


def read_task(
    task: object, annotator: str, run_id: str, sizes: Mapping[str, StoredSize], account: int | None = None
) -> Submission:
    """Read what was submitted for a task. It raises nothing, whatever the task holds.

    Of several annotations, which Label Studio allows, the newest of the annotator counts; a skipped task is not
    answered. The box is of the stored picture (``read_submitted_box``). Names that the page does not have are left out
    and noted; a time spent that is no number is left out.

    Args:
        sizes: of the run's stored images.
        account: of the annotator; what others submitted is no vote of theirs. None where that is not known.
    """
    number = task.get("id") if isinstance(task, Mapping) else None
    number = number if isinstance(number, int) else None
    if not belongs_to_run(task, run_id):
        return Submission(number, reason=f"is no task of this run, {FOREIGN}")
    try:
        known = _validate(_Task, task)
        drafted = _validate(_Shown, known.data.shown, "shown: ")
    except ValueError as error:
        return Submission(number, reason=_one_line(f"the task is damaged ({error}); delete it, and it comes again"))
    found = Submission(known.id, known.data.entity_id, known.data.shown, known.updated_at)
    try:
        newest = _find_newest(known.annotations or (), annotator, account)
        if newest is None:
            return found
        found = replace(found, updated_at=newest.updated_at)
        vote, note = _read_vote(newest, known.data, drafted, annotator, sizes)
    except ValueError as error:
        return replace(found, reason=_one_line(str(error)))
    return replace(found, vote=vote, note=_one_line(note))


def belongs_to_run(task: object, run_id: str) -> bool:
    """Whether a task was made for the run."""
    data = task.get("data") if isinstance(task, Mapping) else None
    return isinstance(data, Mapping) and data.get("run") == run_id


def read_form_of_task(task: Json) -> tuple[str, str] | None:
    """Read the entity and the digest of the form that a task shows; None where they cannot be read."""
    try:
        data = _validate(_Data, task.get("data"))
        _validate(_Shown, data.shown)
    except ValueError:
        return None
    return data.entity_id, data.form


def withdraw(vote: Vote, at: str) -> Vote:
    """The vote that is recorded when somebody has deleted one.

    Args:
        at: when, as ``to_utc`` gives it.
    """
    return replace(vote, withdrawn=True, updated_at=at)


def _validate(model: type[Model], content: object, where: str = "") -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"{where}{first_fault(error)}") from None


def _one_line(text: str) -> str:
    return one_line(text, _MOST_CHARACTERS)


def _find_newest(annotations: Sequence[object], annotator: str, account: int | None) -> _Annotation | None:
    """The newest annotation of the annotator; None when nothing is submitted."""
    submitted = [one for one in annotations if not (isinstance(one, Mapping) and one.get("was_cancelled") is True)]
    read = [_validate(_Annotation, one, "the annotation cannot be read: ") for one in submitted]
    read = [one for one in read if not one.was_cancelled]
    own = [one for one in read if account is None or one.account in (None, account)]
    if read and not own:
        raise ValueError(f"was answered by account {read[-1].account}, expected {annotator}'s own")
    return max(own, key=lambda one: (one.updated_at, one.id), default=None)


def _read_vote(
    annotation: _Annotation, data: _Data, drafted: _Shown, annotator: str, sizes: Mapping[str, StoredSize]
) -> tuple[Vote, str]:
    """Read the vote, and what is to be noted about it."""
    values = SubmittedResults(annotation.result or ())
    size = sizes.get(data.entity_id.rpartition("#")[0])
    if size is None:
        raise ValueError("the run holds no picture of it")
    drop = values.one_of(DROP, DROP_REASONS)
    answers = {name: values.one_of(name, ANSWERS) for name in QUESTION_NAMES}
    missing = [name for name, answer in answers.items() if answer is None]
    if drop is None and missing:
        raise ValueError(f"{', '.join(missing)} not answered, and not dropped")
    label = values.text(LABEL)
    if not label:
        raise ValueError("the label is empty, expected what the entity is")
    box = read_submitted_box(values.boxes, drafted.bbox_px, size)
    parts = {part: values.text(f"{PART}{n}") or None for n, part in enumerate(BODY_PARTS)}
    vote = Vote(
        annotator=annotator,
        entity_id=data.entity_id,
        answers=None if drop is not None else {name: str(answer) for name, answer in answers.items()},
        drop=drop,
        label=label,
        bbox_px=box.xyxy_px,
        descriptions={str(d): values.text(f"{d}_description") for d in Dimension},
        parts=parts if drafted.parts is not None else None,
        shown=data.shown,
        seconds=annotation.seconds,
        annotation_id=annotation.id,
        updated_at=annotation.updated_at,
    )
    left_out = f"what the page does not ask for is left out: {', '.join(values.unknown)}" if values.unknown else ""
    return vote, "; ".join(filter(None, (box.note, left_out)))
