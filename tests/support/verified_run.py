"""A drafted run on which people have voted: most leave it as drafted, some entities are told apart by their place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from drafted_run import write_drafted_run
from voting import vote

from annotation.demo.people import record_votes
from annotation.merging.ballot import load_ballot, merge_ballot
from annotation.merging.forms import DraftForm, load_forms
from annotation.merging.merged_file import MergeSettings, write_merged
from annotation.merging.votes import Vote
from annotation.run.folder import RunFolder

PEOPLE = ("anna", "ben", "cara")
Said = Callable[[int, DraftForm, str], dict[str, Any] | None]
"""Place of the entity, its form and an annotator to what they say; None: not answered."""


def as_drafted(place: int, drafted: DraftForm, who: str) -> dict[str, Any] | None:
    """The machine's answers, whatever the place."""
    return dict(drafted.answers)


def write_voted_run(
    folder: Path, images: int, result: Said = as_drafted, people: Sequence[str] = PEOPLE, **changes: Any
) -> RunFolder:
    """Drafts, and everybody's vote on each of them."""
    run = write_drafted_run(folder, images, **changes)
    cast(run, result, people)
    return run


def cast(
    run: RunFolder,
    result: Said,
    people: Sequence[str] = PEOPLE,
    updated_at: str = "2026-01-01T00:00:00",
    laid: Collection[str] | None = None,
) -> None:
    """Votes as a pull brings them.

    Args:
        laid: entities that are laid before them; None for all.
    """
    forms = list(load_forms(run).values())
    votes: list[Vote] = []
    for number, who in enumerate(people):
        for place, drafted in enumerate(forms):
            answers = result(place, drafted, who)
            if answers is not None:
                about = {"seconds": 20.0 + 10 * number, "annotation_id": place, "updated_at": updated_at}
                votes.append(vote(drafted, who, **{**about, **answers}))
    before = [drafted for drafted in forms if laid is None or drafted.entity_id in laid]
    record_votes(run, votes, people, before)


def write_verified_run(folder: Path, images: int, result: Said = as_drafted, **changes: Any) -> RunFolder:
    """Voted, and the votes are merged."""
    run = write_voted_run(folder, images, result, **changes)
    merge_run(run)
    return run


def merge_run(run: RunFolder, min_votes: int | None = None) -> None:
    ballot = load_ballot(run)
    write_merged(run, ballot, merge_ballot(ballot, min_votes), MergeSettings(min_votes))
