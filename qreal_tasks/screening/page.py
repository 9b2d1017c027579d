"""The page of a screening run: its images by severity, with boxes, reasons and answers, to filter and to flag.

write_page(Path("OUT"))  # OUT/index.html

It lies beside ``thumbnails/`` and loads a picture when it is scrolled to; everything else is in the one file.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from qreal_tasks import __version__
from qreal_tasks.benchmark import QUESTIONS, Dimension
from qreal_tasks.metrics.sums import FloatArray
from qreal_tasks.pages.environment import page_environment
from qreal_tasks.pages.environment import write_page as write_html
from qreal_tasks.screening.calibration.record import Calibration
from qreal_tasks.screening.rows import ROWS_FILE, RowState, open_row_file
from qreal_tasks.screening.run.record import read_record
from qreal_tasks.screening.run.summary import THRESHOLD
from qreal_tasks.screening.thumbnails import THUMBNAILS
from qreal_tasks.text.addresses import shown

PAGE = "index.html"
SHOWN_IMAGES = 2000
"""The most severe ones; more of them would make the page slow to open."""
SHOWN_ENTITIES = 40
"""Entities of one image, the most important ones: a model may write a thousand boxes."""
_AT_ONCE = 256
"""Rows that are decoded at a time."""


@dataclass(frozen=True)
class PageRows:
    """What a page shows of a run's rows."""

    images: list[dict[str, Any]]
    """By falling severity; those without one last."""
    states: Counter[str]
    p: dict[Dimension, FloatArray]
    """Of all images of the run, shown or not; nan where it is unknown."""

    @property
    def total(self) -> int:
        """Images of the run."""
        return sum(self.states.values())


def write_page(out: Path) -> Path:
    """Write the page of a finished run; returns its path.

    Raises:
        ValueError: the folder is no finished run.
        OSError: it cannot be written.
    """
    rows = collect_rows(out)
    record = read_record(out)
    about = {"Model": shown(record.model)} if record.model else {}
    text = render_page(out.resolve().name, rows, record.calibration, about)
    write_html(out / PAGE, text)
    return out / PAGE


def collect_rows(out: Path, most: int = SHOWN_IMAGES) -> PageRows:
    """Read the most severe rows of a run, and of the others what the counts need; errors as ``read_rows``."""
    columns = {one: f"p_{one}" for one in Dimension}
    with open_row_file(out / ROWS_FILE) as file:
        table = file.read(["state", "severity", *columns.values()])
        severity = np.nan_to_num(_numbers(table["severity"]), nan=-1.0)
        kept = np.argsort(-severity, kind="stable")[:most]
        rows = _read_places(file, np.sort(kept))
    images = [_with_fewer_entities(rows[int(place)]) for place in kept]
    return PageRows(
        images, Counter(table["state"].to_pylist()), {one: _numbers(table[name]) for one, name in columns.items()}
    )


def _read_places(file: pq.ParquetFile, places: NDArray[np.intp]) -> dict[int, dict[str, Any]]:
    """The rows at these places, which are in order."""
    found: dict[int, dict[str, Any]] = {}
    start = 0
    for batch in file.iter_batches(_AT_ONCE):
        first, last = np.searchsorted(places, [start, start + len(batch)])
        own = places[first:last]
        found.update(zip(own.tolist(), batch.take(pa.array(own - start)).to_pylist(), strict=True))
        start += len(batch)
    return found


def _numbers(column: pa.ChunkedArray) -> FloatArray:
    return np.asarray(column.to_numpy(), dtype=np.float64)


def render_page(
    title: str, rows: PageRows, calibration: Calibration | None, about: Mapping[str, str] | None = None
) -> str:
    """The page as HTML.

    Args:
        about: further facts by name, shown at the top.
    """
    is_whole = len(rows.images) == rows.total
    data = {
        "images": rows.images,
        "thumbnails": THUMBNAILS,
        "questions": [
            {"name": q.name, "dimension": q.dimension, "about": q.about, "text": q.text, "defect": q.defect}
            for q in QUESTIONS
        ],
        "dimensions": list(Dimension),
        "thresholds": {one: THRESHOLD if calibration is None else calibration.threshold(one) for one in Dimension},
        "total": rows.total,
        "all_p": None if is_whole else {one: _pack(rows.p[one]) for one in Dimension},
    }
    generators = Counter(row["generator"] for row in rows.images if row["generator"] is not None)
    return (
        page_environment("qreal_tasks.screening")
        .get_template("page.html.j2")
        .render(
            title=title,
            version=__version__,
            data=data,
            rows=rows,
            about=about or {},
            states=list(RowState),
            generators=sorted(generators.items()),
            questions=QUESTIONS,
            dimensions=list(Dimension),
            calibration=calibration,
            thresholds=data["thresholds"],
        )
    )


def _with_fewer_entities(row: dict[str, Any]) -> dict[str, Any]:
    left_out = len(row["entities"]) - SHOWN_ENTITIES
    if left_out <= 0:
        return row
    return {**row, "entities": row["entities"][:SHOWN_ENTITIES], "entities_left_out": left_out}


def _pack(p: FloatArray) -> str:
    """Four bytes each, as a typed array of a script reads them."""
    return base64.b64encode(p.astype("<f4").tobytes()).decode()
