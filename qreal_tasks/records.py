"""Per-sample records: what a run leaves behind, enough to recompute every number without model, judge or images.

The task hooks write them into the harness's sample log, ``qreal score``, the report and the submission check read
them back; the metrics take nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

RECORD_VERSION = 2
"""Layout of the two records below; a reader refuses any other."""

NO_REASON = "no reason given"
"""By which answers and pairs without a reason are counted."""

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

Number = Annotated[float, Field(strict=True)]
"""Neither a text nor a boolean is a number, in any field."""
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=0, le=10**6)]
"""A side in pixels or a count. The bound is read from stored records only, and keeps every sum a number."""

MOST_MARKS = 16
"""Pairs of reasoning marks of a run."""
LONGEST_MARK = 100
"""Characters."""
_Mark = Annotated[str, Field(min_length=1, max_length=LONGEST_MARK)]
ReasoningMarks = Annotated[tuple[tuple[_Mark, _Mark], ...], Field(max_length=MOST_MARKS)]
"""Opening and closing marks between which this run's model writes its reasoning, beside those that are known; its text
is read again with them."""


@dataclass(frozen=True)
class JudgmentRecord:
    """One ObjectQA sample: one question about one entity."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    question: str
    entity_id: str
    image_id: str
    generator: str
    is_portrait: Flag
    label: str
    reference: str
    """"Yes" or "No"."""
    raw: str
    """The model's text, untouched."""
    answer: str | None
    """"Yes", "No", or None when the text could not be read as either."""
    reason: str | None
    """Why ``answer`` is None."""
    p_yes: Number | None
    """P(Yes) against P(No) at the token that answers, None when the backend gives no probability."""
    mass: Number | None
    """Probability covered by the spellings of Yes and No, None when unknown."""
    prompt_version: str
    pre_prompt: str
    post_prompt: str
    """What stood before and after the question (``benchmark.PromptFrame``)."""
    data: str
    """Where the dataset was: "mini", "org/name@revision" or a folder."""
    reasoning_marks: ReasoningMarks = ()
    version: Annotated[int, Field(strict=True)] = RECORD_VERSION

    @property
    def sample_id(self) -> str:
        """The entity that was asked about."""
        return self.entity_id

    @property
    def subject(self) -> str:
        """The question."""
        return self.question


@dataclass(frozen=True)
class Region:
    """An entity with a flaw, as the reference or a model states it."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    label: str
    bbox_px: tuple[Number, Number, Number, Number]
    """x1, y1, x2, y2 in pixels of the stored image."""
    description: str
    entity_id: str | None = None
    """Only for reference entities."""


@dataclass(frozen=True)
class GroundingRecord:
    """One ImageQA sample: one image asked for the flawed entities of one set."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    set_name: str
    """One of ``benchmark.IMAGEQA_SETS``."""
    image_id: str
    generator: str
    is_portrait: Flag
    width: Whole
    height: Whole
    """Size of the stored image, in pixels."""
    space: str
    """The declared space in which the model was asked to write boxes."""
    input_size: tuple[Whole, Whole] | None
    """Width and height that the model was fed, when the backend reports them."""
    raw: str
    reason: str | None
    """Why nothing could be read from ``raw``; None when it was read, also as an empty list."""
    predicted: tuple[Region, ...]
    """Valid boxes only, clipped to the image, in the order of the text."""
    dropped: dict[str, Whole]
    """Predicted entities left out, counted by reason."""
    clipped: Whole
    """How many of ``predicted`` reached outside the image."""
    reference: tuple[Region, ...]
    prompt_version: str
    pre_prompt: str
    post_prompt: str
    """What stood before and after the query, with its places left open (``benchmark.PromptFrame``)."""
    data: str
    scores: tuple[Number | None, ...] | None = None
    """LLM-Score (0-1) of each matched pair in the order of ``metrics.grounding.match``; None for a pair that the
    judge could not answer; None altogether when no judge was asked."""
    judge: str | None = None
    """Name and hash of the manifest of the judge that was asked."""
    unjudged: dict[str, Whole] = field(default_factory=dict)
    """Pairs that the judge could not answer, counted by reason."""
    judge_said: dict[str, str] = field(default_factory=dict)
    """By reason of ``unjudged``, what came instead of a score for one of the pairs, on one short line."""
    space_assumed: Flag = False
    """Nobody declared ``space``, neither a user nor the model's family: it is the default."""
    reasoning_marks: ReasoningMarks = ()
    version: Annotated[int, Field(strict=True)] = RECORD_VERSION

    @property
    def sample_id(self) -> str:
        """The image that was asked about."""
        return self.image_id

    @property
    def subject(self) -> str:
        """The ImageQA set."""
        return self.set_name


Record = JudgmentRecord | GroundingRecord


class RecordError(ValueError):
    """A stored record that cannot be read; the message names the field."""


def record_to_json(record: Record) -> dict[str, Any]:
    """The record as plain JSON values."""
    return asdict(record)


def record_from_json(value: Mapping[str, Any]) -> Record:
    """Read a record back; every field is checked, unknown ones are refused.

    Raises:
        RecordError: a field is missing, unknown or of the wrong type, or the layout is of another version.
    """
    if not isinstance(value, Mapping):
        raise RecordError(f"record is {value!r:.40}, expected an object")
    if value.get("version") != RECORD_VERSION:
        raise RecordError(
            f"record version {value.get('version')!r}, expected {RECORD_VERSION}: written by another release"
        )
    reader = _reader(JudgmentRecord if "question" in value else GroundingRecord)
    try:
        record: Record = reader.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        field_name = ".".join(map(str, first["loc"])) or "record"
        raise RecordError(f"{field_name}: {first['msg']}, found {first['input']!r:.80}") from None
    return record


@functools.cache
def _reader(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
