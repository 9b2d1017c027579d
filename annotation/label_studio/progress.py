"""How far each person has come, how fast, and how many hours are left; from what was pulled last."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from annotation.merging.forms import DraftForm
from annotation.merging.votes import Vote, is_current

TYPICAL_S = (30.0, 60.0)
"""An entity, before anybody has been measured."""


@dataclass(frozen=True)
class AnnotatorProgress:
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


def measure_progress(
    names: Sequence[str], laid: Mapping[str, Mapping[str, str]], votes: Sequence[Vote], forms: Mapping[str, DraftForm]
) -> list[AnnotatorProgress]:
    """Of all people, in order. A vote on an entity that is no longer drafted, or was drafted anew, counts as none."""
    found = []
    for name in names:
        mine = [vote for vote in votes if vote.annotator == name and is_current(vote, forms)]
        before = (laid.get(name, {}).keys() | {vote.entity_id for vote in mine}) & forms.keys()
        times = [vote.seconds for vote in mine if vote.seconds]
        seconds = statistics.median(times) if times else None
        found.append(
            AnnotatorProgress(
                name=name,
                laid=len(before),
                answered=len(mine),
                dropped=sum(vote.drop is not None for vote in mine),
                changed=sum(has_changes(vote) for vote in mine),
                seconds=seconds,
                hours_left=None if seconds is None else (len(before) - len(mine)) * seconds / 3600,
            )
        )
    return found


def has_changes(vote: Vote) -> bool:
    """Whether the person changed anything that was drafted; blanks around a text do not count."""
    shown, texts = vote.shown, vote.descriptions
    said: list[tuple[str | None, str | None]] = [(vote.label, shown["label"])]
    said += [(texts[name], shown["descriptions"].get(name)) for name in texts]
    said += [(text, (shown["parts"] or {}).get(part)) for part, text in (vote.parts or {}).items()]
    return list(vote.bbox_px) != shown["bbox_px"] or any(_plain(new) != _plain(old) for new, old in said)


def _plain(text: str | None) -> str:
    return (text or "").strip()
