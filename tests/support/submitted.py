"""Whole runs of a simulated model on rows of a dataset, as the harness leaves them, and as submissions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from small_set import small_rows

from qreal_tasks.benchmark import (
    ANSWERS,
    IMAGEQA_SETS,
    LEAVES,
    QUESTION_NAMES,
    Dimension,
    PromptFrame,
    Style,
    frame_of,
    is_flawed,
    task_of,
)
from qreal_tasks.boxes import Space
from qreal_tasks.judge.manifest import JudgeManifest, load_manifest
from qreal_tasks.judge.pairs import Judgement, Pair
from qreal_tasks.judge.records import judge_records
from qreal_tasks.leaderboard.submission.pack import SubmitterInfo, pack_run
from qreal_tasks.leaderboard.submission.references import References
from qreal_tasks.leaf_tasks import TASKS, Half, task_versions
from qreal_tasks.metrics.catalogue import IMAGEQA_LIVE, OBJECTQA_LIVE
from qreal_tasks.metrics.grounding import score_grounding
from qreal_tasks.metrics.judgment import score_judgment
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record, record_to_json
from qreal_tasks.samples import ModelAnswer, SampleContext, grounding_record, judgment_record, reference_regions

JUDGE = load_manifest("gpt-4o")
PREFIX = "20260101_000000"


def small_references(copies: int = 4) -> References:
    """The test rows of ``small_set`` several times over, under ids and with answers of their own."""
    rows = small_rows()
    objectqa, imageqa = [], []
    for copy in range(copies):
        entities: dict[str, dict[str, Any]] = {}
        for row in rows["objectqa"]["test"]:
            answers = {name: (row[name] + copy * (number % 3)) % 2 for number, name in enumerate(QUESTION_NAMES)}
            kept = {key: value for key, value in row.items() if key != "image"}
            entities[row["entity_id"]] = answers
            ids = {"entity_id": f"c{copy}-{row['entity_id']}", "image_id": f"c{copy}-{row['image_id']}"}
            objectqa.append({**kept, **answers, **ids})
        for row in rows["imageqa"]["test"]:
            kept = {key: value for key, value in row.items() if key != "image"}
            inside = [_renamed(entity, entities[entity["entity_id"]], copy) for entity in row["entities"]]
            imageqa.append({**kept, "image_id": f"c{copy}-{row['image_id']}", "entities": inside})
    return References.of("org/set", objectqa, imageqa)


def _renamed(entity: dict[str, Any], answers: dict[str, int], copy: int) -> dict[str, Any]:
    result = {name: ANSWERS[value] for name, value in answers.items()}
    flawed = {f"{dimension}_flawed": is_flawed(dimension, result) for dimension in Dimension}
    return {**entity, **answers, **flawed, "entity_id": f"c{copy}-{entity['entity_id']}"}


def simulated(
    references: References,
    skill: float = 0.7,
    seed: int = 0,
    judge: bool = True,
    unread: float = 0.0,
    style: Style = Style.BENCHMARK,
) -> list[Record]:
    """What a model of that skill leaves behind on every task: answers, P(Yes), boxes, descriptions, scores.

    Args:
        skill: share of answers that are right and of entities that are found.
        unread: share of answers that cannot be read.
    """
    rng = np.random.default_rng(seed)
    found: list[Record] = []
    for name in QUESTION_NAMES:
        for row in references.entities.values():
            right = rng.random() < skill
            yes = bool(row[name]) == right
            p = float(np.round(rng.uniform(0.5, 1.0) if yes else rng.uniform(0.0, 0.5), 4))
            text = "I cannot say." if rng.random() < unread else ("Yes" if yes else "No")
            found.append(judgment_record(row, name, ModelAnswer(text, p, 0.97), SampleContext(references.name, style)))
    for set_name in IMAGEQA_SETS:
        ids = sorted(references.ids(task_of(style, set_name)))
        rows, frame = [references.images[image_id] for image_id in ids], frame_of(style, set_name)
        records = [_grounded(references, row, set_name, skill, rng, frame) for row in rows]
        found += judge_records(records, _Pretended(rng), JUDGE.title) if judge else records
    return found


def _grounded(
    references: References, row: Any, set_name: str, skill: float, rng: np.random.Generator, frame: PromptFrame
) -> GroundingRecord:
    result = []
    for region in reference_regions(row, set_name):
        if rng.random() < skill:
            pairs = zip(region.bbox_px, _sides(row), strict=True)
            box = [float(np.clip(v + rng.normal(0, 3), 0, side)) for v, side in pairs]
            result.append({"bbox_2d": box, "label": region.label, "description": f"seen: {region.description[:40]}"})
    if rng.random() > skill:
        result.append({"bbox_2d": [1.0, 1.0, 20.0, 20.0], "label": "thing", "description": "odd"})
    context = SampleContext(references.name, frame=frame, space=Space.PIXELS)
    return grounding_record(row, set_name, ModelAnswer(json.dumps(result)), context)


def _sides(row: dict[str, Any]) -> tuple[int, ...]:
    return (row["width"], row["height"]) * 2


class _Pretended:
    """A judge that gives each pair a number; here only the form counts."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def __call__(self, pairs: Sequence[Pair]) -> list[Judgement]:
        return [Judgement(round(float(self._rng.random()), 2)) for _ in pairs]


def write_run(
    folder: Path,
    records: list[Record],
    *,
    model_args: str = "pretrained=org/model,revision=abc",
    limit: float | None = None,
    judge: JudgeManifest | None = JUDGE,
    only: str = "",
    style: Style = Style.BENCHMARK,
) -> Path:
    """A results file of the harness with the samples beside it; returns the results' path.

    Written into the folder of another run, it becomes one run with the tasks of both.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        "config": {"model": "qreal_hf", "model_args": model_args, "limit": limit},
        "results": {},
        "versions": {},
        "lmms_eval_version": "0.7.3",
        "date": PREFIX,
        "total_evaluation_time_seconds": "12.5",
    }
    if judge is not None and any(getattr(record, "judge", None) for record in records):
        results["qreal_judge"] = judge.model_dump(mode="json")
    path = folder / f"{PREFIX}_results.json"
    if path.exists():
        results |= {key: json.loads(path.read_text(encoding="utf-8"))[key] for key in ("results", "versions")}
    for task, (half, name) in TASKS.items():
        if LEAVES[task][0] is not style:
            continue
        some = [record for record in records if _about(record) == name]
        if not some or only not in task:
            continue
        scores = score_judgment(some) if half is Half.OBJECTQA else score_grounding(some)  # type: ignore[arg-type]
        names = OBJECTQA_LIVE if half is Half.OBJECTQA else IMAGEQA_LIVE
        live = {f"{metric},none": scores[metric] for metric in names}
        results["results"][task] = {"alias": task, **live, "records,none": len(some)}
        results["versions"][task] = task_versions()[task]
        lines = [json.dumps({"doc_id": n, "records": record_to_json(record)}) for n, record in enumerate(some)]
        (folder / f"{PREFIX}_samples_{task}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.write_text(json.dumps(results), encoding="utf-8")
    return path


def pack_simulated(folder: Path, references: References, resamples: int) -> Path:
    """The submission of a simulated model, packed below ``folder`` as ``qreal submit pack`` does."""
    results = write_run(folder / "run", simulated(references))
    pack_run(results, folder / "submission", SubmitterInfo("A model"), resamples=resamples)
    return folder / "submission"


def _about(record: Record) -> str:
    return record.question if isinstance(record, JudgmentRecord) else record.set_name


def on(records: list[Record], data: str) -> list[Record]:
    """The same records on a dataset of another name."""
    return [replace(record, data=data) for record in records]
