"""Which samples two runs differ on: answers that flipped, images whose boxes became better or worse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qreal_tasks.metrics.description import IOU_THRESHOLD
from qreal_tasks.metrics.matching import match
from qreal_tasks.metrics.significance import mcnemar
from qreal_tasks.records import GroundingRecord, JudgmentRecord


@dataclass(frozen=True)
class Flips:
    """Answers to one question that are right in one run only."""

    lost: tuple[str, ...]
    """Entities that the baseline got right and the run wrong."""
    won: tuple[str, ...]
    """Entities that the baseline got wrong and the run right."""
    p_value: float | None
    """McNemar's exact test, entities as independent."""


@dataclass(frozen=True)
class Moved:
    """One image in both runs. An image without a flawed entity counts 1 without a box and 0 with one."""

    image_id: str
    f1: float
    """At IoU > .5, of the run."""
    f1_before: float
    """The same of the baseline."""
    overlap: float
    """Sum of IoU over max(predicted, reference), of the run."""
    overlap_before: float

    @property
    def change(self) -> float:
        """Difference in F1."""
        return self.f1 - self.f1_before


@dataclass(frozen=True)
class Movement:
    """All images of one set."""

    better: int
    worse: int
    same: int
    """By F1, then by overlap."""
    most: tuple[Moved, ...]
    """Those that moved most, by F1, then by overlap, then by id."""


def find_flips(run: Sequence[JudgmentRecord], baseline: Sequence[JudgmentRecord]) -> Flips:
    """Flipped answers of one question; both runs hold the same entities. An unread answer is wrong."""
    before = {record.entity_id: record.answer == record.reference for record in baseline}
    now = {record.entity_id: record.answer == record.reference for record in run}
    lost = tuple(sorted(name for name, right in now.items() if before[name] and not right))
    won = tuple(sorted(name for name, right in now.items() if right and not before[name]))
    return Flips(lost, won, mcnemar(len(lost), len(won)))


def compare_images(run: Sequence[GroundingRecord], baseline: Sequence[GroundingRecord], most: int) -> Movement:
    """Moved images of one set; both runs hold the same images."""
    before = {record.image_id: _scores(record) for record in baseline}
    moved = [
        Moved(r.image_id, f1, before[r.image_id][0], overlap, before[r.image_id][1])
        for r in run
        for f1, overlap in [_scores(r)]
    ]
    signs = [_sign(one) for one in moved]
    moved.sort(key=lambda one: (-abs(one.change), -abs(one.overlap - one.overlap_before), one.image_id))
    changed = tuple(one for one in moved if _sign(one))
    return Movement(signs.count(1), signs.count(-1), signs.count(0), changed[:most])


def _scores(record: GroundingRecord) -> tuple[float, float]:
    """F1 at .5 and penalised overlap of one image."""
    n, m = len(record.predicted), len(record.reference)
    if not n and not m:
        return 1.0, 1.0
    ious = [pair.iou for pair in match(record.predicted, record.reference)]
    return 2 * sum(iou > IOU_THRESHOLD for iou in ious) / (n + m), math.fsum(ious) / max(n, m)


def _sign(one: Moved) -> int:
    """1 when the image became better, -1 when worse."""
    before, now = (one.f1_before, one.overlap_before), (one.f1, one.overlap)
    return (now > before) - (now < before)
