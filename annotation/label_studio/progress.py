"""How far each annotator has come, how fast, and how many hours are left, from what was pulled last."""

from __future__ import annotations

import socket
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from annotation.label_studio.page import KEYS
from annotation.label_studio.server import EVERYWHERE, LOOPBACK
from annotation.label_studio.workplace import Workplace
from annotation.merging.forms import DraftForm
from annotation.merging.votes import Vote, is_current
from qreal_tasks.console.terminal import console, echo

TYPICAL_S = (30.0, 60.0)
"""Seconds an entity, before anybody has been measured."""


@dataclass(frozen=True)
class AnnotatorProgress:
    """How far one annotator has come."""

    name: str
    assigned: int
    """Entities that this person was asked about."""
    answered: int
    dropped: int
    """How many of the answered ones."""
    changed: int
    """Votes with a changed description, label, box or part."""
    seconds: float | None
    """Median an entity; None before the first answer."""

    @property
    def left(self) -> int:
        return self.assigned - self.answered

    @property
    def hours_left(self) -> float | None:
        return None if self.seconds is None else self.left * self.seconds / 3600


def measure_progress(
    names: Sequence[str],
    assigned: Mapping[str, Mapping[str, str]],
    votes: Sequence[Vote],
    forms: Mapping[str, DraftForm],
) -> list[AnnotatorProgress]:
    """Measure the progress of all people, in order. A vote on an entity that is not drafted as it was does not
    count."""
    found = []
    for name in names:
        mine = [vote for vote in votes if vote.annotator == name and is_current(vote, forms)]
        n_assigned = len((assigned.get(name, {}).keys() | {vote.entity_id for vote in mine}) & forms.keys())
        times = [vote.seconds for vote in mine if vote.seconds]
        seconds = statistics.median(times) if times else None
        dropped = sum(vote.drop is not None for vote in mine)
        changed = sum(has_changes(vote) for vote in mine)
        found.append(AnnotatorProgress(name, n_assigned, len(mine), dropped, changed, seconds))
    return found


def has_changes(vote: Vote) -> bool:
    """Whether the person changed anything that was drafted; blanks around a text do not count."""
    shown, texts = vote.shown, vote.descriptions
    pairs: list[tuple[str | None, str | None]] = [(vote.label, shown["label"])]
    pairs += [(texts[name], shown["descriptions"].get(name)) for name in texts]
    pairs += [(text, (shown["parts"] or {}).get(part)) for part, text in (vote.parts or {}).items()]
    return list(vote.bbox_px) != shown["bbox_px"] or any(
        (new or "").strip() != (old or "").strip() for new, old in pairs
    )


def print_accounts(workplace: Workplace, host: str) -> None:
    """Print who works where, and how to get in; in lines, which no narrow terminal cuts.

    Args:
        host: that own servers listen on; where it is not this machine alone, links name the machine.
    """
    machine = host if host not in EVERYWHERE else socket.getfqdn()
    echo("\nSend each person their own lines:")
    for account in workplace.accounts:
        link = account.link.replace(LOOPBACK, machine, 1) if workplace.own else account.link
        echo(f"\n{account.name}{' (adjudicates)' if account.adjudicates else ''}\n  {link}")
        if account.email:
            echo(f"  e-mail    {account.email}\n  password  {account.password}")
    echo(f"\nKeys: 1 to 6 say Yes to the six questions, a s d f g h say No, z x c drop the entity. {KEYS}\n")


def print_progress(standings: Sequence[AnnotatorProgress]) -> None:
    """Print how far each person has come, as a table."""
    numbers = ("answered", "of", "dropped", "changed", "seconds each", "hours left")
    table = Table("person", *numbers, title="Verification, as pulled last", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for one in standings:
        pace = "" if one.seconds is None else f"{one.seconds:.0f}"
        low, high = (one.left * seconds / 3600 for seconds in TYPICAL_S)
        hours = f"{low:.1f} to {high:.1f} (typical)" if one.hours_left is None else f"{one.hours_left:.1f}"
        table.add_row(one.name, *map(str, (one.answered, one.assigned, one.dropped, one.changed)), pace, hours)
    console(width=140).print(table)  # where there is no terminal, wide enough for a link not to be folded
