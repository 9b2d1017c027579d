"""Predictions that are in memory: a pandas frame or rows by column, as the table that a file of them would be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from qreal_tasks.tables.decoding import TableError
from qreal_tasks.tables.opening import Table
from qreal_tasks.tables.text_tables import PlacedRow

if TYPE_CHECKING:
    import pandas as pd


class PredictionRows:
    """Rows in memory, for ``reading.read_predictions``.

    Args:
        given: a pandas frame, whose index counts where it has a name, or rows that map headings to cells.

    Raises:
        TableError: there is no row, or one is no mapping; says which.
    """

    name = "rows in memory"

    def __init__(self, given: pd.DataFrame | Iterable[Mapping[str, Any]]) -> None:
        headings, rows = _of_frame(given) if hasattr(given, "iloc") else _of_rows(given)
        if not rows:
            raise TableError(f"{self.name}: there are none, expected one for each prediction")
        placed = (PlacedRow(f"row {number}", row) for number, row in enumerate(rows))
        self.table = Table(tuple(headings), tuple(placed), "in memory")

    def __str__(self) -> str:
        return self.name


def _of_frame(frame: Any) -> tuple[list[str], list[dict[str, Any]]]:
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    headings = [str(one) for one in frame.columns]
    columns = [[_plain(cell) for cell in frame.iloc[:, at]] for at in range(len(headings))]
    return headings, [dict(zip(headings, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _of_rows(given: Iterable[Any]) -> tuple[list[str], list[dict[str, Any]]]:
    rows = []
    for number, row in enumerate(given):
        if not isinstance(row, Mapping):
            raise TableError(
                f"{PredictionRows.name}, row {number}: {type(row).__name__}, expected a mapping of columns to "
                'cells, such as {"entity_id": …, "question": …, "prediction": …}'
            )
        rows.append({str(heading): _plain(cell) for heading, cell in row.items()})
    return list(dict.fromkeys(heading for row in rows for heading in row)), rows


def _plain(cell: Any) -> Any:
    """The cell in Python's own types; None for pandas' own sign that there is nothing."""
    if isinstance(cell, np.generic):
        return cell.item()
    if isinstance(cell, np.ndarray):
        return cell.tolist()
    return None if type(cell).__name__ in ("NAType", "NaTType") else cell
