"""A merged run as it is published: drafts beside what people made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from annotation.errors import AnnotationError, annotate_command
from annotation.merging.ballot import Ballot, load_ballot
from annotation.merging.merge import Conclusion
from annotation.merging.merged_file import count_states, read_merged
from annotation.publish.split import ImageFacts
from annotation.run.folder import RunFolder
from annotation.run.schemas import DESCRIPTIONS, Row
from qreal_tasks.benchmark import QUESTION_NAMES

FINAL = ("label", "bbox", *QUESTION_NAMES, *DESCRIPTIONS, "parts")
"""Columns that people decide."""
_NAMED = 5


@dataclass(frozen=True)
class MergedRun:
    """Drafts of a run, and what its votes were merged into."""

    run: RunFolder
    ballot: Ballot
    merged: Mapping[str, Row]
    """Entity to its row of merged.parquet."""

    @property
    def states(self) -> dict[str, int]:
        """Drafted entities by what became of them."""
        return count_states(list(self.merged.values()))

    @cached_property
    def open_images(self) -> frozenset[str]:
        """Images with an entity that is pending or in conflict. None of their entities is published: in an image that
        names only some of its flaws, finding the others would count as a mistake."""
        return frozenset(entity.rpartition("#")[0] for entity, _ in find_undecided(self))

    def drafts(self, shard: int) -> Iterator[tuple[Row, Row | None]]:
        """Each row of a shard's drafts, and what people made of it; None where they were not asked about it."""
        for draft in self.run.read("drafts", shard):
            yield draft, self.merged.get(draft["entity_id"])

    def finals(self, shard: int) -> dict[str, list[Row]]:
        """Image to its final entities: rows of drafts with what people decided in their place, and the sources of
        texts."""
        found: dict[str, list[Row]] = {}
        for draft, merged in self.drafts(shard):
            whole = draft["image_id"] not in self.open_images
            if whole and merged is not None and merged["state"] == Conclusion.FINAL:
                final = {name: merged[name] for name in (*FINAL, "sources")}
                found.setdefault(draft["image_id"], []).append({**draft, **final})
        return found

    def prompts(self) -> set[tuple[str, str]]:
        """Id and text of every drafted image's prompt, also where nothing of the image is published."""
        read, columns = self.run.read, ["prompt_id", "prompt"]
        rows = (row for shard in self.run.shard_numbers for row in read("drafts", shard, columns))
        return {(row["prompt_id"], row["prompt"]) for row in rows}

    def facts(self) -> list[ImageFacts]:
        """What every image with a final entity is balanced by."""
        found = []
        for shard in self.run.shard_numbers:
            for entities in self.finals(shard).values():
                scores = [one["quality_score"] for one in entities if one["quality_score"] is not None]
                about = {name: entities[0][name] for name in ("image_id", "prompt_id", "generator", "is_portrait")}
                found.append(ImageFacts(**about, quality=float(np.mean(scores)) if scores else None))
        return found


def load_merged_run(run: RunFolder, partial: bool) -> MergedRun:
    """Load a run whose entities are all decided; with ``partial`` what is decided of it.

    Raises:
        AnnotationError: entities are pending or in conflict, none is final, or the merged file is missing, older than
            the votes or of another run.
    """
    ballot = load_ballot(run)
    found = MergedRun(run, ballot, {row["entity_id"]: row for row in read_merged(run, ballot)})
    open_ = find_undecided(found)
    if open_ and not partial:
        first = ", ".join(f"{entity} ({why})" for entity, why in open_[:_NAMED]) + (", …" if open_[_NAMED:] else "")
        raise AnnotationError(
            f"{found.states['pending']} entities are pending and {found.states['conflict']} in conflict: {first}. Pull "
            "and merge again when people have answered, settle conflicts as the adjudicator, or leave them out with "
            "--partial"
        )
    if not found.states["final"]:
        command = annotate_command("verify", "status", run.path)
        raise AnnotationError(f"{run.path}: no entity is final; `{command}` says how far it is")
    return found


def find_undecided(material: MergedRun) -> list[tuple[str, str]]:
    """Find the entities that are pending or in conflict, and why."""
    return [
        (entity, "; ".join(row["conflicts"]) or row["state"])
        for entity, row in material.merged.items()
        if row["state"] in (Conclusion.PENDING, Conclusion.CONFLICT)
    ]
