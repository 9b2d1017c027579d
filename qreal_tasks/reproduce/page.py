"""Tables 1 to 4, the paper's and one's own, as a page and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qreal_tasks import __version__
from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTIONS, Style
from qreal_tasks.files.atomic import write_whole
from qreal_tasks.leaderboard.board.paper import SOURCE, list_contradictions
from qreal_tasks.metrics.catalogue import CATALOGUE
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.pages.environment import page_environment, write_page
from qreal_tasks.reproduce.estimate import MEASURED, StepCost
from qreal_tasks.reproduce.tables import ReproducedTable

TITLES = {
    1: "Table 1: ObjectQA",
    2: "Table 2: ImageQA",
    3: "Table 3: ImageQA, plausibility of people",
    4: "Table 4: ablations",
}
_PARTS = {
    **{question.name: question.text for question in QUESTIONS},
    **{name: name.replace("_", " ").capitalize() for name in IMAGEQA_SETS},
}
"""What stands above the part of a table."""


def write_tables(
    folder: Path,
    tables: Mapping[Style, Sequence[ReproducedTable]],
    *,
    data: str,
    judge: str,
    is_drawn: bool,
    costs: Mapping[str, StepCost],
    left: Sequence[str],
) -> Path:
    """Write ``tables.html`` and ``tables.json``; returns the page.

    Args:
        tables: by the style of the prompts.
        is_drawn: whether the pictures are those of ``qreal mini``.
        costs: of all steps that have any.
        left: steps that are not done.

    Raises:
        OSError: a file cannot be written.
    """
    measured = [cost for cost in costs.values() if cost.how == MEASURED]
    facts = {
        "data": data,
        "judge": judge,
        "source": SOURCE,
        "left": list(left),
        "gpu_hours_measured": round(sum(cost.gpu_hours for cost in measured), 3),
    }
    text = (
        page_environment("qreal_tasks.reproduce")
        .get_template("tables.html.j2")
        .render(
            title="Tables 1 to 4 of the paper",
            tables=tables,
            titles=TITLES,
            parts=_PARTS,
            labels={half: {name: metric.label for name, metric in of.items()} for half, of in CATALOGUE.items()},
            contradictions=list_contradictions(),
            drawn_notice=MINI_NOTICE if is_drawn else "",
            version=__version__,
            **facts,
        )
    )
    write_page(folder / "tables.html", text)
    content = {**facts, "drawn": is_drawn, "tables": [_to_json(one) for some in tables.values() for one in some]}
    write_whole(folder / "tables.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
    return folder / "tables.html"


def _to_json(table: ReproducedTable) -> dict[str, Any]:
    rows = [
        {
            **asdict(row),
            "cells": {
                name: {**asdict(cell), "difference": cell.difference, "paper_is_within": cell.is_within}
                for name, cell in row.cells.items()
            },
        }
        for row in table.rows
    ]
    return {"table": table.number, "part": table.part, "prompts": table.style, "rows": rows}
