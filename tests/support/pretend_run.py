"""A whole run on the embedded set by a model that is right about three times in four: all nine tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from written_run import PREFIX, write_tasks

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.boxes import Space
from qreal_tasks.dataset.drawn import MINI_FOLDER
from qreal_tasks.dataset.schema import has_parts
from qreal_tasks.metrics.matching import match
from qreal_tasks.mini.read import read_drawn_rows
from qreal_tasks.records import GroundingRecord, JudgmentRecord
from qreal_tasks.samples import ModelAnswer, SampleContext, grounding_record, judgment_record

HOSTILE = (
    "</script></td><script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>{{ 7 * 7 }} \" ' & \u2028"
)
"""Text that becomes elements, or a number, wherever it is not shown as text."""
JUDGE = "pretend-judge@0123456789ab"
Rng = np.random.Generator


def pretend_tasks(
    seed: int = 0, skill: float = 1.2, data: str = "mini", description: str | None = None
) -> dict[str, Sequence[JudgmentRecord] | Sequence[GroundingRecord]]:
    """Task to records; the same images, entities and references for every seed and skill.

    Args:
        skill: how far right answers lie above chance, in logits.
        description: what the model says of every flaw; by default a part of the reference.
    """
    rng = np.random.default_rng(seed)
    crops, images = (read_drawn_rows(MINI_FOLDER, config, "test") for config in ("objectqa", "imageqa"))
    tasks: dict[str, Sequence[JudgmentRecord] | Sequence[GroundingRecord]] = {}
    for name in QUESTION_NAMES:
        tasks[f"qreal_objectqa_{name}"] = [_judgment(rng, row, name, skill, data) for row in crops]
    for name in IMAGEQA_SETS:
        rows = [r for r in images if name != "human_plausibility" or (r["is_portrait"] and _described(r))]
        tasks[f"qreal_imageqa_{name}"] = [_grounding(rng, row, name, skill, data, description) for row in rows]
    return tasks


def write_pretend_run(
    folder: Path, seed: int = 0, skill: float = 1.2, model: str = "pretend", data: str = "mini", **other: Any
) -> Path:
    """The same as a results folder."""
    return write_tasks(folder, pretend_tasks(seed, skill, data, **other), model)


def hostile_run(folder: Path) -> Path:
    """The pretend run with elements and scripts in every text; ids and numbers stay."""
    write_tasks(folder, pretend_tasks(), model=HOSTILE)
    for path in folder.glob("*_samples_*.jsonl"):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            row["records"] = _hostile(row["records"])
            if row["records"].get("reason"):
                row["records"] |= {"reason": HOSTILE, "raw": HOSTILE}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    results = folder / f"{PREFIX}_results.json"
    result = json.loads(results.read_text(encoding="utf-8"))
    result["config"]["model_args"] = HOSTILE
    result["versions"] = dict.fromkeys(result["versions"], HOSTILE)
    results.write_text(json.dumps(result), encoding="utf-8")
    return folder


def _hostile(value: Any) -> Any:
    """Every text of a record that a model, a person or a file name could have written."""
    if isinstance(value, list):
        return [_hostile(item) for item in value]
    if isinstance(value, dict):
        free = ("label", "description", "generator", "judge", "prompt_version")
        changed = {key: HOSTILE if key in free and item is not None else _hostile(item) for key, item in value.items()}
        is_judged = "unjudged" in value and value["scores"]
        result = {"unjudged": {HOSTILE: 1}, "judge_said": {HOSTILE: HOSTILE}} if is_judged else {}
        return {**changed, **result}
    return value


def _described(row: dict[str, Any]) -> bool:
    return any(map(has_parts, row["entities"]))


def _judgment(rng: Rng, row: dict[str, Any], name: str, skill: float, data: str) -> JudgmentRecord:
    logit = (skill if row[name] else -skill) + rng.logistic(0, 0.9)
    p_yes = round(float(1 / (1 + np.exp(-logit))), 4)
    result = "Yes" if p_yes > 0.5 else "No"
    if rng.random() < 0.02:
        result = "It is hard to say." if rng.random() < 0.5 else ("No" if result == "Yes" else "Yes")
    return judgment_record(row, name, ModelAnswer(result, p_yes, 0.98), SampleContext(data))


def _grounding(
    rng: Rng, row: dict[str, Any], name: str, skill: float, data: str, description: str | None
) -> GroundingRecord:
    context = SampleContext(data, space=Space.PIXELS)
    blank = grounding_record(row, name, ModelAnswer("[]"), context)
    result = []
    for region in blank.reference:
        if rng.random() < 0.75:
            box = np.asarray(region.bbox_px) + rng.normal(0, 24 / (1 + skill), 4)
            words = region.description.split()[: rng.integers(4, 30)]
            result.append((box, region.label, description or " ".join(words)))
    if rng.random() < 0.3:
        corner = rng.uniform(0, 150, 2)
        box = np.concatenate([corner, corner + rng.uniform(30, 120, 2)])
        result.append((box, "thing", description or "It does not look right."))
    text = json.dumps(
        [{"bbox_2d": [round(float(v), 1) for v in b], "label": label, "description": d} for b, label, d in result]
    )
    record = grounding_record(row, name, ModelAnswer(text if rng.random() > 0.03 else "I cannot help."), context)
    pairs = match(record.predicted, record.reference)
    scores = tuple(None if rng.random() < 0.02 else float(rng.choice([0, 0.25, 0.5, 0.75, 1])) for _ in pairs)
    missing = {"timeout": scores.count(None)} if None in scores else {}
    return replace(record, scores=scores, judge=JUDGE, unjudged=missing)
