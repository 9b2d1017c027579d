"""Compares what came out of the demonstration with what was drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from annotation.demo.people import ERROR_RATES, match_planted
from annotation.demo.scenes import SAME_IOU, PlantedEntity, Scene
from annotation.merging.forms import load_forms
from annotation.merging.votes import VoteRecord
from annotation.run.folder import RunFolder
from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES
from qreal_tasks.boxes import iou_matrix
from qreal_tasks.dataset.schema import SPLITS


@dataclass(frozen=True)
class Findings:
    """What came of the drawn entities; shares are of answers that equal the planted truth, 0 to 1."""

    drawn: int
    """Entities in the scenes."""
    detected: int
    """How many of the drawn entities a drafted box of their own name overlaps with IoU >= .5."""
    drafted: int
    """Entities that people were asked about."""
    published: int
    machine_right: float
    people_right: Mapping[str, float]
    published_right: float


def measure_findings(run: RunFolder, dataset: Path, scenes: Sequence[Scene]) -> Findings:
    """Measure what came out of the run and of the published folder."""
    forms = load_forms(run)
    planted = match_planted(run, forms.values(), scenes)
    with VoteRecord(run.votes_path) as record:
        votes = [(vote, planted[vote.entity_id]) for vote in record.latest()]
    records = read_published_entities(dataset)
    return Findings(
        drawn=sum(len(scene.entities) for scene in scenes),
        detected=sum(
            meant is not None
            and forms[entity].label == meant.label
            and iou_matrix([forms[entity].bbox_px], [meant.box_px])[0, 0] >= SAME_IOU
            for entity, meant in planted.items()
        ),
        drafted=len(forms),
        published=len(records),
        machine_right=_share_right((forms[entity].answers, meant) for entity, meant in planted.items()),
        people_right={
            who: _share_right((v.answers, meant) for v, meant in votes if v.annotator == who) for who in ERROR_RATES
        },
        published_right=_share_right(
            ({name: ANSWERS[record[name]] for name in QUESTION_NAMES}, planted[record["entity_id"]])
            for record in records
        ),
    )


def read_published_entities(dataset: Path) -> list[dict[str, Any]]:
    """Read every entity of both splits, as ``imageqa`` holds it."""
    files = [path for split in SPLITS for path in sorted((dataset / "data" / "imageqa").glob(f"{split}-*.parquet"))]
    return [entity for path in files for row in pq.read_table(path).to_pylist() for entity in row["entities"]]


def _share_right(pairs: Iterable[tuple[Mapping[str, str] | None, PlantedEntity | None]]) -> float:
    equal = [
        answers[name] == planted.answers[name]
        for answers, planted in pairs
        if answers is not None and planted is not None
        for name in QUESTION_NAMES
    ]
    return sum(equal) / len(equal) if equal else float("nan")
