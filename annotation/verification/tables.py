"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from annotation.verification.page import KEYS
from annotation.verification.progress import TYPICAL_S, Standing
from annotation.verification.workplace import Workplace


def print_seats(workplace: Workplace) -> None:
    """Who works where, and how to get in."""
    table = Table("person", "link", "e-mail", "password", title="Send each person their own line", title_justify="left")
    for column in table.columns:
        column.no_wrap = True
    for seat in workplace.seats:
        name = f"{seat.name} (adjudicates)" if seat.adjudicates else seat.name
        table.add_row(name, escape(seat.link), seat.email or "", escape(seat.password or ""))
    console = _console()
    console.print(table)
    console.print(
        f"Keys: 1 to 6 say Yes to the six questions, a s d f g h say No, z x c drop the entity. {KEYS}",
        highlight=False,
    )


def print_standings(standings: Sequence[Standing]) -> None:
    """How far each person has come."""
    numbers = ("answered", "of", "dropped", "changed", "seconds each", "hours left")
    table = Table("person", *numbers, title="Verification, as pulled last", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for one in standings:
        pace = "" if one.seconds is None else f"{one.seconds:.0f}"
        low, high = (one.left * seconds / 3600 for seconds in TYPICAL_S)
        hours = f"{low:.1f} to {high:.1f} (typical)" if one.hours_left is None else f"{one.hours_left:.1f}"
        table.add_row(one.name, *map(str, (one.answered, one.laid, one.dropped, one.changed)), pace, hours)
    _console().print(table)


def _console() -> Console:
    """As wide as the terminal; where there is none, wide enough for a link not to be folded."""
    console = Console()
    return console if console.is_terminal else Console(width=140)
