"""The end of ``qreal annotate run``: how many images went through, how many did not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annotation.run.folder import RunFolder
from annotation.run.items import ItemCounts, format_count
from annotation.run.schemas import State
from annotation.stages.chain import STAGES
from annotation.status.reasons import FailureReasons
from annotation.status.status import count_outcomes


@dataclass(frozen=True)
class RunSummary:
    """Over the shards that were asked for."""

    images: int
    through: int | None
    """Images with a record; None before the last stages are done."""
    entities: int | None
    """Entities with a record."""
    lost: dict[str, FailureReasons]
    """Why rows came to nothing, by stage."""

    @property
    def failed(self) -> int:
        """What ``--retry-failed`` asks again."""
        return sum(reasons.count(State.FAILED) for reasons in self.lost.values())

    def headline(self) -> str:
        """One sentence with the counts."""
        images = format_count(self.images, "images")
        if self.through is None or self.entities is None:
            return f"{images}: the stages that were asked for are done; records come with the later ones."
        not_through = self.images - self.through
        return (
            f"{images}: {self.through:,} went through, with {format_count(self.entities, 'entities')}; "
            f"{not_through:,} did not."
        )


def summarize_run(run: RunFolder, shards: Sequence[int]) -> RunSummary:
    """What is on disk of these shards."""
    lost: dict[str, FailureReasons] = {}
    records: dict[str, int] = {}
    for stage in STAGES:
        pending = set(run.pending(stage, shards))
        _, reasons, rows = count_outcomes(run, stage, [shard for shard in shards if shard not in pending])
        lost[stage] = reasons
        if not pending:
            records[stage] = rows
    images = ItemCounts(run).total("entities", shards)
    return RunSummary(images, records.get("imageqa"), records.get("objectqa"), lost)
