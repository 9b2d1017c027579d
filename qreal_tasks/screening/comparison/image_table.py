"""The images of a run as a table of numbers: what a comparison of generators needs, without the entities.

A run of a million images is read by columns, so that only these are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES, Dimension
from qreal_tasks.metrics.sums import FloatArray
from qreal_tasks.screening.calibration.record import Calibration
from qreal_tasks.screening.comparison.body_parts import find_described_parts
from qreal_tasks.screening.rows import ROWS_FILE, open_row_file

if TYPE_CHECKING:
    import pandas as pd

SEVERITY = "severity"
_PORTRAITS = "entities.list.element.reasons.human_plausibility"
_TEXTS = ("image", "pixels", "prompt", "prompt_id", "generator")


def read_images(out: Path, calibration: Calibration | None = None, parts: bool = False) -> pd.DataFrame:
    """Read one row for each image that is a picture.

    Columns: ``image``, ``pixels``, ``prompt``, ``prompt_id``, ``generator``; by dimension, question and in ``severity``
    the probability of a flaw, nan where it is unknown, those of dimensions calibrated where there is a calibration; by
    body part 1 where some entity's description names it, else 0.

    Args:
        parts: whether body parts were asked for; they are left out where no description names one.

    Raises:
        ValueError: the folder is no finished run, or its file is damaged.
    """
    import pandas as pd

    raw = {one: f"raw_p_{one}" for one in Dimension}
    columns = [*_TEXTS, "state", *raw.values(), "p_question", *([_PORTRAITS] if parts else [])]
    with open_row_file(out / ROWS_FILE) as file:
        table = file.read(columns)
    table = table.filter(pc.is_valid(table["pixels"]))
    frame = pd.DataFrame({name: table[name].to_pandas() for name in _TEXTS})
    for one, name in raw.items():
        p = _numbers(table[name])
        frame[str(one)] = p if calibration is None else _apply(p, one, calibration)
    clean = np.stack([1 - frame[str(one)].to_numpy() for one in Dimension])
    frame[SEVERITY] = np.where(np.isnan(clean).all(axis=0), np.nan, 1 - np.nanprod(clean, axis=0))
    for question in QUESTION_NAMES:
        frame[question] = _numbers(pc.struct_field(table["p_question"], question))
    if parts:
        named = _find_parts(table["entities"].to_pylist())
        for at, part in enumerate(BODY_PARTS):
            if named.any():
                frame[part] = named[:, at]
    return frame


def _numbers(column: pa.ChunkedArray) -> FloatArray:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _apply(p: FloatArray, dimension: Dimension, calibration: Calibration) -> FloatArray:
    apply: Callable[[float], float] = lambda one: calibration.apply(one, dimension)  # noqa: E731
    return np.array([one if np.isnan(one) else apply(one) for one in p.tolist()])


def _find_parts(entities: Sequence[Sequence[dict[str, dict[str, str | None]]]]) -> FloatArray:
    """(n_images, parts), 1 where a description names the part."""
    found = np.zeros((len(entities), len(BODY_PARTS)))
    for at, of_image in enumerate(entities):
        for entity in of_image:
            for part in find_described_parts(entity["reasons"]["human_plausibility"] or ""):
                found[at, BODY_PARTS.index(part)] = 1.0
    return found
