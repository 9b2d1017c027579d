"""Tables for the terminal."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from annotation.label_studio.page import KEYS
from annotation.label_studio.progress import TYPICAL_S, AnnotatorProgress
from annotation.label_studio.server import EVERYWHERE, LOOPBACK
from annotation.label_studio.workplace import Workplace
from qreal_tasks.console.terminal import console, echo


def print_accounts(workplace: Workplace, host: str) -> None:
    """Who works where, and how to get in; in lines, which no narrow terminal cuts.

    Args:
        host: that own servers listen on; where it is not this machine alone, links name the machine.
    """
    machine = host if host not in EVERYWHERE else socket.getfqdn()
    echo("\nSend each person their own lines:")
    for seat in workplace.seats:
        link = seat.link.replace(LOOPBACK, machine, 1) if workplace.own else seat.link
        echo(f"\n{seat.name}{' (adjudicates)' if seat.adjudicates else ''}\n  {link}")
        if seat.email:
            echo(f"  e-mail    {seat.email}\n  password  {seat.password}")
    echo(f"\nKeys: 1 to 6 say Yes to the six questions, a s d f g h say No, z x c drop the entity. {KEYS}\n")


def print_progress(standings: Sequence[AnnotatorProgress]) -> None:
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
    return console(width=140)
