"""A results folder as the harness leaves it, written by the live hooks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import IMAGEQA_POST_PROMPT, OBJECTQA_POST_PROMPT
from qreal_tasks.harness import hooks
from qreal_tasks.leaf_tasks import task_versions
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Region

PREFIX = "20260101_000000"


def judgments() -> list[JudgmentRecord]:
    rows = [("Yes", "Yes", 0.9), ("Yes", "No", 0.4), ("No", "No", 0.2), ("No", None, 0.6), ("No", "Yes", 0.7)]
    return [
        JudgmentRecord(
            "realism_q1",
            *(
                f"i{n}#0",
                f"i{n}",
                "g",
                False,
                "dog",
                reference,
                answer or "",
                answer,
                None if answer else "empty",
                p,
                0.9,
            ),
            *("1", "", OBJECTQA_POST_PROMPT, "mini"),
        )
        for n, (reference, answer, p) in enumerate(rows)
    ]


def written(regions: list[Region]) -> str:
    return json.dumps([{"bbox_2d": r.bbox_px, "label": r.label, "description": r.description} for r in regions])


def groundings() -> list[GroundingRecord]:
    box = (0.0, 0.0, 10.0, 10.0)
    found = {"i0": [Region("dog", box, "flat")], "i1": [], "i2": [Region("dog", (0.0, 0.0, 10.0, 5.0), "flat")]}
    return [
        GroundingRecord(
            *("realism", image_id, "g", False, 20, 20, "pixels", None, written(regions), None, tuple(regions), {}, 0),
            *((Region("dog", box, "painted", f"{image_id}#0"),), "1", "", IMAGEQA_POST_PROMPT, "mini"),
        )
        for image_id, regions in found.items()
    ]


def write_run(folder: Path, grounded: Sequence[GroundingRecord] | None = None) -> Path:
    """A run of two tasks, its numbers computed by the live hooks."""
    grounded = groundings() if grounded is None else grounded
    return write_tasks(folder, {"qreal_objectqa_realism_q1": judgments(), "qreal_imageqa_realism": grounded})


def write_tasks(
    folder: Path, tasks: Mapping[str, Sequence[JudgmentRecord] | Sequence[GroundingRecord]], model: str = "dummy"
) -> Path:
    """A run of these tasks, its numbers computed by the live hooks."""
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"config": {"model": model, "model_args": "", "limit": None}, "results": {}}
    results["versions"] = {task: task_versions()[task] for task in tasks}
    for task, records in tasks.items():
        kind = "objectqa" if "objectqa" in task else "imageqa"
        items = [getattr(hooks, f"_{kind}_items")(record) for record in records]
        metrics = [name for name in items[0] if name != "records"]
        live = {f"{m},none": getattr(hooks, f"{kind}_{m}")([item[m] for item in items]) for m in metrics}
        results["results"][task] = {"alias": task, **live, "records,none": len(items), "acc_stderr,none": "N/A"}
        lines = [json.dumps({"doc_id": n, **item}) for n, item in enumerate(items)]
        (folder / f"{PREFIX}_samples_{task}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / f"{PREFIX}_results.json").write_text(json.dumps(results), encoding="utf-8")
    return folder
