"""What a screening run says about its images: a row for each, in ``images.parquet`` and ``images.jsonl``.

>>> for row in read_rows(Path("OUT")):  # doctest: +SKIP
...     print(row["image"], row["severity"], [entity["label"] for entity in row["entities"]])
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

import pyarrow as pa
import pyarrow.parquet as pq

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, Dimension
from qreal_tasks.files.regular import require_file
from qreal_tasks.files.system_errors import describe_error, explain_refusal
from qreal_tasks.screening.assessment import (
    EntityAssessment,
    ImageAssessment,
    Weighting,
    any_of,
    importance_of,
    sort_by_importance,
)

if TYPE_CHECKING:
    from qreal_tasks.api.findings import QuestionAnswer

ROWS_FILE = "images.parquet"
_AT_ONCE = 64
"""Rows that are in memory at a time."""


class RowState(StrEnum):
    """What became of an image."""

    JUDGED = "judged"
    UNREAD = "unread"
    """The model was asked, and a dimension could not be told."""
    REFUSED = "refused"
    """The file cannot be used as a picture."""
    REPEATED = "repeated"
    """Equal pixels as an earlier image of the run, whose numbers are copied."""


class AnswerCell(TypedDict):
    """The answer to one question about an entity."""

    answer: str | None
    p_yes: float | None
    mass: float | None
    reason: str | None


class EntityCell(TypedDict):
    """One entity of an image."""

    label: str
    bbox: list[float]
    """x1, y1, x2, y2 in pixels of the image."""
    importance: float | None
    p_realism: float | None
    """Probability of a flaw in realism, as the model gives it: calibration is of whole images."""
    p_plausibility: float | None
    answers: dict[str, AnswerCell]
    """By the names of the six questions."""
    reasons: dict[str, str | None]
    """By ImageQA set, what the model says is wrong."""
    found_by: list[str]


class UnreadCell(TypedDict):
    """Something that was asked and not answered."""

    where: str
    reason: str


class ScreeningRow(TypedDict):
    """One image of a screening run."""

    image: str
    pixels: str | None
    """SHA-256 of the decoded pixels and size; None where there are none."""
    state: Literal["judged", "unread", "refused", "repeated"]
    reason: str | None
    """Why it was refused, or what was not answered first."""
    same_as: str | None
    """The image whose numbers these are."""
    width: int | None
    height: int | None
    prompt: str | None
    prompt_id: str | None
    generator: str | None
    p_realism: float | None
    """Probability that some entity is flawed in realism; calibrated where the run has a calibration."""
    p_plausibility: float | None
    severity: float | None
    """Probability of a flaw in either dimension, from the two before it."""
    raw_p_realism: float | None
    raw_p_plausibility: float | None
    p_question: dict[str, float | None]
    """By the names of the six questions, before calibration."""
    entities: list[EntityCell]
    """The most important first."""
    unread: list[UnreadCell]


def _struct(names: Sequence[str], kind: pa.DataType) -> pa.DataType:
    return pa.struct([(name, kind) for name in names])


_TEXT, _P = pa.string(), pa.float64()
_ANSWER = pa.struct([("answer", _TEXT), ("p_yes", _P), ("mass", _P), ("reason", _TEXT)])
_ENTITY = pa.struct(
    [
        ("label", _TEXT),
        ("bbox", pa.list_(pa.float64(), 4)),
        *((name, _P) for name in ("importance", "p_realism", "p_plausibility")),
        ("answers", _struct(QUESTION_NAMES, _ANSWER)),
        ("reasons", _struct(IMAGEQA_SETS, _TEXT)),
        ("found_by", pa.list_(_TEXT)),
    ]
)
SCHEMA = pa.schema(
    [
        *((name, _TEXT) for name in ("image", "pixels", "state", "reason", "same_as")),
        *((name, pa.int32()) for name in ("width", "height")),
        *((name, _TEXT) for name in ("prompt", "prompt_id", "generator")),
        *((name, _P) for name in ("p_realism", "p_plausibility", "severity", "raw_p_realism", "raw_p_plausibility")),
        ("p_question", _struct(QUESTION_NAMES, _P)),
        ("entities", pa.list_(_ENTITY)),
        ("unread", pa.list_(pa.struct([("where", _TEXT), ("reason", _TEXT)]))),
    ]
)
"""The columns of a row, in the order of ``ScreeningRow``."""


@dataclass(frozen=True)
class ImageOrigin:
    """Where an image comes from; None where nobody said."""

    image: str
    """Its name as the user knows it: the path in the given folder, or the table's id."""
    prompt: str | None = None
    prompt_id: str | None = None
    generator: str | None = None


Calibrate = Callable[[float, Dimension], float]


def make_row(
    origin: ImageOrigin, pixels: str, assessment: ImageAssessment, calibrate: Calibrate | None = None
) -> ScreeningRow:
    """The row of an image that a model was asked about.

    Args:
        pixels: SHA-256 of its decoded pixels and size.
        calibrate: gives the calibrated probability of a whole image for the model's.
    """
    raw = {one: assessment.p_flaw[one] for one in Dimension}
    unread: list[UnreadCell] = [
        {"where": where, "reason": _as_utf_8(reason)} for where, reason in assessment.unread.items()
    ]
    state = RowState.JUDGED if assessment.answered else RowState.UNREAD
    reason = f"{unread[0]['where']}: {unread[0]['reason']}" if unread and not assessment.answered else None
    row: ScreeningRow = {
        **_without_numbers(origin, state, reason),
        "pixels": pixels,
        "width": assessment.width,
        "height": assessment.height,
        "p_realism": raw[Dimension.REALISM],
        "p_plausibility": raw[Dimension.PLAUSIBILITY],
        "severity": any_of(raw.values()),
        "raw_p_realism": raw[Dimension.REALISM],
        "raw_p_plausibility": raw[Dimension.PLAUSIBILITY],
        "p_question": {name: assessment.p_question[name] for name in QUESTION_NAMES},
        "entities": [_entity_cell(one) for one in assessment.entities],
        "unread": unread,
    }
    return row if calibrate is None else calibrate_row(row, calibrate)


def calibrate_row(row: ScreeningRow, calibrate: Calibrate) -> ScreeningRow:
    """The row with the calibrated probabilities of its image; what else it holds stays."""
    raw = {Dimension.REALISM: row["raw_p_realism"], Dimension.PLAUSIBILITY: row["raw_p_plausibility"]}
    p = {one: None if value is None else calibrate(value, one) for one, value in raw.items()}
    return {
        **row,
        "p_realism": p[Dimension.REALISM],
        "p_plausibility": p[Dimension.PLAUSIBILITY],
        "severity": any_of(p.values()),
    }


def weigh_row(row: ScreeningRow, weighting: Weighting) -> ScreeningRow:
    """The row with the importance of its entities, and their order, under another weighting."""
    size = (row["width"] or 0, row["height"] or 0)

    def weighed(one: EntityCell) -> EntityCell:
        p = any_of([one["p_realism"], one["p_plausibility"]])
        return {**one, "importance": importance_of(p, one["bbox"], size, weighting)}

    return {**row, "entities": sort_by_importance(map(weighed, row["entities"]), lambda one: one["importance"])}


def make_refused_row(origin: ImageOrigin, reason: str, pixels: str | None = None) -> ScreeningRow:
    """The row of a file that cannot be used as a picture.

    Args:
        pixels: as they were when they could be read.
    """
    return {**_without_numbers(origin, RowState.REFUSED, reason), "pixels": pixels}


def make_failed_row(origin: ImageOrigin, pixels: str, size: tuple[int, int], reason: str) -> ScreeningRow:
    """The row of an image that the model was asked about in vain, as a whole."""
    width, height = size
    unread: list[UnreadCell] = [{"where": "image", "reason": _as_utf_8(reason)}]
    row = _without_numbers(origin, RowState.UNREAD, _as_utf_8(reason))
    return {**row, "pixels": pixels, "width": width, "height": height, "unread": unread}


def make_repeated_row(origin: ImageOrigin, earlier: ScreeningRow) -> ScreeningRow:
    """The row of an image with the pixels of one that was judged before: its numbers, under the new name."""
    same = earlier["same_as"] or earlier["image"]
    return {**name_row(origin, earlier), "state": RowState.REPEATED.value, "same_as": same}


def name_row(origin: ImageOrigin, row: ScreeningRow) -> ScreeningRow:
    """The row under another name, with what is known of the image that has it."""
    named = {name: getattr(origin, name) for name in ("image", "prompt", "prompt_id", "generator")}
    return cast(ScreeningRow, {**row, **named})


def read_rows(out: Path) -> Iterator[ScreeningRow]:
    """Read the rows of a finished run in the order of its images; few are in memory at a time.

    Args:
        out: what ``qreal screen --out`` was given.

    Raises:
        ValueError: the folder is no finished run, or its file is damaged.
    """
    return read_row_file(out / ROWS_FILE)


def read_row_file(path: Path) -> Iterator[ScreeningRow]:
    """Read the rows of one parquet file of a run: all, or one shard; errors as ``read_rows``."""
    with open_row_file(path) as file:
        for batch in file.iter_batches(_AT_ONCE):
            yield from batch.to_pylist()


@contextmanager
def open_row_file(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a parquet file of a run, for columns or parts of it; errors as ``read_rows``, also of what is read then."""
    try:
        with pq.ParquetFile(require_file(path)) as file:
            if missing := set(SCHEMA.names) - set(file.schema_arrow.names):
                raise ValueError(f"{path}: no column {', '.join(sorted(missing))}, expected rows of qreal screen")
            yield file
    except FileNotFoundError:
        raise ValueError(
            f"{path} is missing: no run of qreal screen, or one that has not ended; start it again"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise ValueError(explain_refusal(error, path) or f"{path} cannot be read ({describe_error(error)})") from error


def make_table(rows: Sequence[ScreeningRow]) -> pa.Table:
    """The rows as a table of ``SCHEMA``."""
    return pa.Table.from_pylist(cast(list[dict[str, Any]], list(rows)), schema=SCHEMA)


def _without_numbers(origin: ImageOrigin, state: RowState, reason: str | None) -> ScreeningRow:
    return {
        "image": origin.image,
        "pixels": None,
        "state": state.value,
        "reason": reason,
        "same_as": None,
        "width": None,
        "height": None,
        "prompt": origin.prompt,
        "prompt_id": origin.prompt_id,
        "generator": origin.generator,
        "p_realism": None,
        "p_plausibility": None,
        "severity": None,
        "raw_p_realism": None,
        "raw_p_plausibility": None,
        "p_question": dict.fromkeys(QUESTION_NAMES),
        "entities": [],
        "unread": [],
    }


def _entity_cell(entity: EntityAssessment) -> EntityCell:
    return {
        "label": _as_utf_8(entity.label),
        "bbox": [float(value) for value in entity.box_px],
        "importance": entity.importance,
        "p_realism": entity.p_flaw[Dimension.REALISM],
        "p_plausibility": entity.p_flaw[Dimension.PLAUSIBILITY],
        "answers": {name: _answer_cell(entity.answers[name]) for name in QUESTION_NAMES},
        "reasons": {name: _as_utf_8(entity.reasons[name]) if name in entity.reasons else None for name in IMAGEQA_SETS},
        "found_by": list(entity.found_by),
    }


def _answer_cell(found: QuestionAnswer) -> AnswerCell:
    reason = None if found.reason is None else _as_utf_8(found.reason)
    return {"answer": found.answer, "p_yes": found.p_yes, "mass": found.mass, "reason": reason}


def _as_utf_8(text: str) -> str:
    """A model's text with question marks for half surrogate pairs, which no file can hold."""
    return text.encode(errors="replace").decode()
