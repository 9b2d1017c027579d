"""The page of a screening run: its images by severity, with boxes, reasons and answers, to filter and to flag.

write_page(Path("OUT"))  # OUT/index.html

It lies beside ``thumbnails/`` and loads a picture when it is scrolled to; everything else is in the one file.
"""

from __future__ import annotations

import base64
import heapq
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qreal_tasks import __version__
from qreal_tasks.benchmark import QUESTIONS, Dimension
from qreal_tasks.pages.environment import page_environment
from qreal_tasks.pages.environment import write_page as write_text
from qreal_tasks.screening.calibration import Calibration
from qreal_tasks.screening.rows import RowState, ScreeningRow, read_rows
from qreal_tasks.screening.run.summary import THRESHOLD
from qreal_tasks.screening.run_record import read_record
from qreal_tasks.screening.thumbnails import THUMBNAILS
from qreal_tasks.text.addresses import shown

PAGE = "index.html"
SHOWN_IMAGES = 2000
"""The most severe ones; more of them would make the page slow to open."""
SHOWN_ENTITIES = 40
"""Entities of one image, the most important ones: a model may write a thousand boxes."""


@dataclass
class PageRows:
    """What a page shows of a run's rows."""

    images: list[dict[str, Any]] = field(default_factory=list)
    """By falling severity; those without one last."""
    states: Counter[str] = field(default_factory=Counter)
    p: dict[Dimension, array[float]] = field(default_factory=dict)
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
    rows = collect_rows(read_rows(out))
    record = read_record(out)
    about = {"Model": shown(record.model)} if record.model else {}
    text = render_page(out.resolve().name, rows, record.calibration, about)
    write_text(out / PAGE, text)
    return out / PAGE


def collect_rows(rows: Iterable[ScreeningRow], most: int = SHOWN_IMAGES) -> PageRows:
    """Keep the most severe rows, and of the others what the counts need."""
    found = PageRows(p={one: array("f") for one in Dimension})

    def watched() -> Iterable[tuple[float, int, ScreeningRow]]:
        for place, row in enumerate(rows):
            found.states[row["state"]] += 1
            for one in Dimension:
                p = _p_of(row, one)
                found.p[one].append(float("nan") if p is None else p)
            yield -1.0 if row["severity"] is None else row["severity"], -place, row

    kept = heapq.nlargest(most, watched(), key=lambda ranked: ranked[:2])
    found.images = [_with_fewer_entities(row) for _, _, row in kept]
    return found


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


def _p_of(row: ScreeningRow, dimension: Dimension) -> float | None:
    return row["p_realism"] if dimension is Dimension.REALISM else row["p_plausibility"]


def _with_fewer_entities(row: ScreeningRow) -> dict[str, Any]:
    left_out = len(row["entities"]) - SHOWN_ENTITIES
    if left_out <= 0:
        return dict(row)
    return {**row, "entities": row["entities"][:SHOWN_ENTITIES], "entities_left_out": left_out}


def _pack(p: array[float]) -> str:
    """Four bytes each, as a typed array of a script reads them."""
    return base64.b64encode(np.array(p, dtype="<f4").tobytes()).decode()
