"""Tables of the terminal: one style for all commands."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from qreal_tasks.console import terminal

_PIPE_WIDTH = 140
"""Columns when the output is no terminal, so that a log is not folded at 80."""


def new_console() -> Console:
    """The terminal; where there is none, as wide as the tables need."""
    return terminal.console(width=_PIPE_WIDTH)


def new_table(title: str, first: Sequence[str], numbers: Sequence[str]) -> Table:
    """An empty table with columns of text first, then columns of numbers."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in first:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", overflow="fold")
    return table


def table_width(shown: Console, table: Table) -> int:
    """Columns that a table takes with every number in one piece."""
    return terminal.needed_width(shown, table)
