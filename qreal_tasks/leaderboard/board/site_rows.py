"""Rows and cells of the board's tables: what a template only has to print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from qreal_tasks.benchmark import Style
from qreal_tasks.leaderboard.board.board import Board, Entry
from qreal_tasks.leaderboard.board.paper import PaperModel
from qreal_tasks.leaderboard.board.ranks import Rank
from qreal_tasks.leaderboard.result import Ends, MetricValue
from qreal_tasks.pages.numbers import decimals, interval, whole


@dataclass(frozen=True)
class BoardColumn:
    """One column of numbers."""

    label: str
    about: str
    """For the heading's tooltip, and for those who cannot see it."""
    group: str
    metric: str
    lower_is_better: bool = False


@dataclass(frozen=True)
class BoardCell:
    """What is shown, what it sorts by, and the interval under it."""

    text: str
    sort: float | None
    interval: str = ""
    missing: bool = False


@dataclass(frozen=True)
class BoardRow:
    """One line: a submission, a row of the paper, or an answer that needs no model."""

    kind: str
    """``entry``, ``paper`` or ``baseline``."""
    name: str
    href: str | None
    about: str
    """Small print under the name."""
    cells: tuple[BoardCell, ...]
    badge: str = ""
    """Beside the name."""


@dataclass(frozen=True)
class BoardTable:
    """One table with its heading."""

    id: str
    title: str
    about: str
    columns: tuple[BoardColumn, ...]
    ranked_by: tuple[str, ...] = ()
    """Labels of rank columns, before the others."""
    rows: tuple[BoardRow, ...] = field(default=(), repr=False)
    sorted_by_first: bool = False
    """Whether the rows are in the order of the first column of numbers."""


def build_table(
    board: Board,
    style: Style,
    table_id: str,
    title: str,
    about: str,
    columns: tuple[BoardColumn, ...],
    ranks: Mapping[str, str] | None = None,
) -> BoardTable:
    """Submissions of one style by the first rank or column, then the paper's rows, then what needs no model.

    Args:
        ranks: heading to headline, of the columns before the others.
    """
    ranks = ranks or {}
    order = sorted(board.asked_with(style), key=lambda entry: _order(entry, columns[0], ranks))
    rows = [_entry_row(entry, columns, ranks.values()) for entry in order if _has_any(entry, columns)]
    rows += [_paper_row(model, style, columns, len(ranks)) for model in board.paper if _in_paper(model, columns)]
    if not ranks and rows:
        rows += _baseline_rows(board, columns)
    return BoardTable(table_id, title, about, columns, tuple(ranks), tuple(rows), sorted_by_first=not ranks)


def _order(entry: Entry, column: BoardColumn, ranks: Mapping[str, str]) -> tuple[bool, int, int, float, str]:
    """By the first rank as it is shown, then by value; what does not rank comes last."""
    first = next(iter(ranks.values()), None)
    rank = entry.ranks.get(first) if first else None
    value = entry.result.groups.get(column.group, {}).get(column.metric, {}).get("value")
    best, worst = (rank.best, rank.worst) if rank else (0, 0)
    unranked = first is not None and rank is None
    return unranked, best, worst, -value if value is not None else 2.0, entry.manifest.name


def _has_any(entry: Entry, columns: Sequence[BoardColumn]) -> bool:
    return any(column.group in entry.result.groups for column in columns)


def _entry_row(entry: Entry, columns: Sequence[BoardColumn], headlines: Iterable[str]) -> BoardRow:
    places = [_place(entry.ranks.get(name)) for name in headlines]
    numbers = [format_cell(entry.result.groups.get(c.group, {}).get(c.metric, {})) for c in columns]
    badge = "see its notes" if entry.is_doubtful else ""
    return BoardRow("entry", entry.manifest.name, page_path(entry), describe_model(entry), (*places, *numbers), badge)


def _place(rank: Rank | None) -> BoardCell:
    return BoardCell("–", None, missing=True) if rank is None else BoardCell(str(rank), rank.best + rank.worst / 1e4)


def page_path(entry: Entry) -> str:
    """Its address, seen from the first page."""
    return f"s/{entry.manifest.id}.html"


def describe_model(entry: Entry) -> str:
    """Model and adapter in one line; the id too where another submission's name reads the same."""
    model = entry.manifest.model
    ran = f"{model.name} + {model.adapter.name}" if model.adapter else model.name
    return f"{ran}; id {entry.manifest.id}" if entry.namesakes else ran


def format_cell(number: MetricValue) -> BoardCell:
    """A value with three decimals and its interval."""
    value = number.get("value")
    ends = interval(Ends.of(number))
    return BoardCell(decimals(value), value, ends, missing=value is None)


def _in_paper(model: PaperModel, columns: Sequence[BoardColumn]) -> bool:
    return any(_paper_value(model, column) is not None for column in columns)


def _paper_row(model: PaperModel, style: Style, columns: Sequence[BoardColumn], ranks: int) -> BoardRow:
    about = model.kind if style is Style.PAPER else f"{model.kind}; asked otherwise"
    unranked = [BoardCell("–", None, missing=True)] * ranks
    cells = [format_cell({"value": _paper_value(model, column)}) for column in columns]
    return BoardRow("paper", model.name, None, about, (*unranked, *cells), "paper")


def _paper_value(model: PaperModel, column: BoardColumn) -> float | None:
    half, _, group = column.group.partition(".")
    table = model.objectqa if half == "objectqa" else model.imageqa
    return table.get(group, {}).get(column.metric)


def _baseline_rows(board: Board, columns: Sequence[BoardColumn]) -> Iterator[BoardRow]:
    """What needs no model is the same for every submission: the references decide it."""
    group = columns[0].group
    found = next((e.result.baselines[group] for e in board.entries if group in e.result.baselines), {})
    for name, metrics in found.items():
        cells = tuple(format_cell({"value": metrics.get(column.metric)}) for column in columns)
        yield BoardRow("baseline", name, None, "needs no model", cells)


def build_group_rows(
    groups: Mapping[str, Mapping[str, MetricValue]], half: str
) -> tuple[list[str], list[tuple[str, list[BoardCell]]]]:
    """All numbers of one half on a submission's page: names of the groups, then each metric over them."""
    names = [name for name in groups if name.startswith(f"{half}.")]
    metrics = list(dict.fromkeys(metric for name in names for metric in groups[name]))
    rows = []
    for metric in metrics:
        is_count = metric == "n" or metric.startswith("n_")
        cells = []
        for name in names:
            number = groups[name].get(metric)
            if number is None:
                cells.append(BoardCell("", None))
            elif is_count:
                cells.append(BoardCell(whole(number["value"]), number["value"]))
            else:
                cells.append(format_cell(number))
        rows.append((metric, cells))
    return [name.partition(".")[2] for name in names], rows
