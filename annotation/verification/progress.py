"""How far each person has come, how fast, and how many hours are left; from what was pulled last."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from annotation.verification.forms import Form
from annotation.verification.votes import Vote

TYPICAL_S = (30.0, 60.0)
"""An entity, before anybody has been measured."""


@dataclass(frozen=True)
class Standing:
    """One person."""

    name: str
    laid: int
    """Entities before this person."""
    answered: int
    dropped: int
    """Of those answered."""
    changed: int
    """Votes with a changed description, label, box or part."""
    seconds: float | None
    """Median an entity; None before the first answer."""
    hours_left: float | None

    @property
    def left(self) -> int:
        return self.laid - self.answered


def standings(
    names: Sequence[str], laid: Mapping[str, Mapping[str, str]], votes: Sequence[Vote], forms: Mapping[str, Form]
) -> list[Standing]:
    """Of all people, in order. A vote on an entity that is no longer drafted counts as none."""
    found = []
    for name in names:
        mine = [vote for vote in votes if vote.annotator == name and vote.entity_id in forms]
        before = (laid.get(name, {}).keys() | {vote.entity_id for vote in mine}) & forms.keys()
        times = [vote.seconds for vote in mine if vote.seconds]
        seconds = statistics.median(times) if times else None
        found.append(
            Standing(
                name=name,
                laid=len(before),
                answered=len(mine),
                dropped=sum(vote.drop is not None for vote in mine),
                changed=sum(is_changed(vote) for vote in mine),
                seconds=seconds,
                hours_left=None if seconds is None else (len(before) - len(mine)) * seconds / 3600,
            )
        )
    return found


def is_changed(vote: Vote) -> bool:
    """Whether the person changed anything that was drafted."""
    shown = vote.shown
    said = {"label": vote.label, "bbox_px": list(vote.bbox_px), "descriptions": dict(vote.descriptions)}
    if any(said[name] != shown[name] for name in said):
        return True
    return any((text or None) != (shown["parts"].get(part) or None) for part, text in (vote.parts or {}).items())
