"""Fill in or replace LLM-Score in a finished run, from its logged samples alone."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qreal_tasks.metrics.grounding import grounding_sums, score_grounding
from qreal_tasks.metrics.sums import require_same
from qreal_tasks.records import GroundingRecord, to_json
from qreal_tasks.report.run_folder import Run, samples_path

Judging = Callable[[Sequence[GroundingRecord]], Sequence[GroundingRecord]]
"""Records in, the same records with a judge's scores out."""

JUDGED_METRICS = ("llm_score", "joint_score", "unjudged")
"""What a judge decides; all other numbers stay what the live run said, so that a changed sample shows."""

MANIFEST_KEY = "qreal_judge"
"""Of a results file."""


def rejudge(run: Run, judging: Judging, manifest: Mapping[str, Any]) -> int:
    """Judge all ImageQA records of a run in one go, then rewrite its samples and its numbers.

    Every file is written beside the old one first and takes its place in one step, the results last. A run that is
    killed in between is judged again without a new call, since judgements are kept.

    Args:
        manifest: of the judge, written into the results.

    Returns:
        How many records were judged.

    Raises:
        ValueError: there is no ImageQA record to judge, an image twice, or the judge scored no pair at all.
        OSError: a file cannot be written.
    """
    old = {task.task: [record for record in task.records if isinstance(record, GroundingRecord)] for task in run.tasks}
    old = {task: records for task, records in old.items() if records}
    if not old:
        raise ValueError(f"{run.results_path}: no ImageQA samples, so there is no description to judge")
    for records in old.values():
        require_same(records, "set_name", "image_id")
    scored = iter(judging([record for records in old.values() for record in records]))
    new = {task: [next(scored) for _ in records] for task, records in old.items()}
    _require_a_score([record for records in new.values() for record in records])
    results = json.loads(run.results_path.read_text(encoding="utf-8"))
    written: dict[Path, str] = {}
    for task, records in new.items():
        path = samples_path(run.results_path, task)
        written[path] = _samples(path.read_bytes(), records)
        results["results"][task] |= _numbers(records)
    results[MANIFEST_KEY] = dict(manifest)
    written[run.results_path] = json.dumps(results, indent=2)
    _replace_all(written)
    return sum(map(len, new.values()))


def record_judge(results_path: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a judge that was asked during the run into its results."""
    results = json.loads(results_path.read_text(encoding="utf-8"))
    results[MANIFEST_KEY] = dict(manifest)
    _replace_all({results_path: json.dumps(results, indent=2)})


def _samples(lines: bytes, records: Sequence[GroundingRecord]) -> str:
    """The sample log with these records and what they add to the metrics in place of the old."""
    rows = []
    for line, record in zip(lines.splitlines(), records, strict=True):
        sums = grounding_sums(record)
        items = {metric: list(sums[metric]) for metric in JUDGED_METRICS}
        rows.append(json.dumps({**json.loads(line), **items, "records": to_json(record)}))
    return "\n".join(rows) + "\n"


def _numbers(records: Sequence[GroundingRecord]) -> dict[str, float | None]:
    scores = score_grounding(records)
    return {f"{metric},none": scores[metric] for metric in JUDGED_METRICS}


def _require_a_score(records: Sequence[GroundingRecord]) -> None:
    """A judge that answers nothing must not take the place of one that did."""
    reasons = sum((Counter(record.unjudged) for record in records), Counter[str]())
    if reasons and all(score is None for record in records for score in record.scores or ()):
        said = ", ".join(f"{n} × {reason}" for reason, n in reasons.most_common())
        raise ValueError(f"the judge scored none of the {reasons.total()} pairs ({said}); the run stays as it was")


def _replace_all(written: Mapping[Path, str]) -> None:
    """All new files exist before the first takes its place."""
    beside = {path: path.with_name(f"{path.name}.{os.getpid()}.new") for path in written}
    try:
        for path, text in written.items():
            beside[path].write_text(text, encoding="utf-8")
        for path in written:
            os.replace(beside[path], path)
    finally:
        for path in beside.values():
            path.unlink(missing_ok=True)
