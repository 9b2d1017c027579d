"""LLM-Scores of several runs over the same images, so that their difference is paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qreal_tasks.benchmark import IMAGEQA_SETS
from qreal_tasks.records import GroundingRecord
from qreal_tasks.results.run_folder import Run, TaskRun
from qreal_tasks.results.slices import groundings_of


def with_shared_scores(runs: Sequence[Run]) -> tuple[list[Run], dict[str, int]]:
    """The runs with judge's scores only of images that every judged run has them for, and how many others a set has.

    An image has scores when the judge gave every pair of it one; an image without pairs has them when it was judged. A
    run without a score in a set does not count there: it has no LLM-Score to compare.
    """
    left_out = {name: ids for name in IMAGEQA_SETS if (ids := _partly_scored(runs, name))}
    kept = [
        replace(run, tasks=tuple(_without(task, left_out.get(task.name, set())) for task in run.tasks)) for run in runs
    ]
    return kept, {name: len(ids) for name, ids in left_out.items()}


def _without(task: TaskRun, image_ids: set[str]) -> TaskRun:
    records = (
        replace(record, scores=None) if isinstance(record, GroundingRecord) and record.image_id in image_ids else record
        for record in task.records
    )
    return replace(task, records=tuple(records)) if image_ids else task


def _partly_scored(runs: Sequence[Run], name: str) -> set[str]:
    """Images with a flawed entity that at least one judged run has no scores for; the others are in no LLM-Score."""
    asked = [groundings_of(run, name) for run in runs]
    judged = [records for records in asked if any(record.scores is not None for record in records)]
    return {r.image_id for records in judged for r in records if r.reference and (r.scores is None or None in r.scores)}
