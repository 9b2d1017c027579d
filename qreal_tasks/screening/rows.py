"""What a screening run says about its images: a row for each, in ``images.parquet`` and ``images.jsonl``.

>>> for row in read_rows(Path("OUT")):  # doctest: +SKIP
...     print(row["image"], row["severity"], [entity["label"] for entity in row["entities"]])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

import pyarrow as pa
import pyarrow.parquet as pq

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.files.regular import require_file
from qreal_tasks.files.system_errors import describe_error, explain_refusal

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


def read_rows(out: Path) -> Iterator[ScreeningRow]:
    """Read the rows of a finished run in the order of its images; few are in memory at a time.

    Args:
        out: what ``qreal screen --out`` was given.

    Raises:
        ValueError: the folder is no finished run, or its file is damaged.
    """
    with open_row_file(out / ROWS_FILE) as file:
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
