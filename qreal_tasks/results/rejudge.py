"""Fill in or replace LLM-Score in a finished run, from its logged samples alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from qreal_tasks.files.atomic import replaced
from qreal_tasks.files.regular import read_bytes, read_text
from qreal_tasks.metrics.grounding import grounding_sums, score_grounding
from qreal_tasks.metrics.sums import require_same
from qreal_tasks.records import GroundingRecord, to_json
from qreal_tasks.results.reasons import collect_replies, describe_pairs
from qreal_tasks.results.run_folder import Run, samples_path
from qreal_tasks.text.one_line import one_line

Judging = Callable[[Sequence[GroundingRecord]], Sequence[GroundingRecord]]
"""Records in, the same records with a judge's scores out."""

JUDGED_METRICS = ("llm_score", "joint_score", "unjudged")
"""What a judge decides; all other numbers stay what the live run said, so that a changed sample shows."""

MANIFEST_KEY = "qreal_judge"
"""Key of a results file that holds the manifest of the judge."""


def rejudge(run: Run, judging: Judging, manifest: Mapping[str, Any]) -> int:
    """Judge all ImageQA records of a run in one go, then rewrite its samples and its numbers.

    Every file is written beside the old one first and takes its place in one step, the results last. A run that is
    killed in between is judged again without a new call, since judgements are kept.

    Args:
        manifest: of the judge, written into the results.

    Returns:
        How many records were judged.

    Raises:
        ValueError: there is no ImageQA record to judge, an image twice, or the judge scored no pair at all. The run
            then keeps the scores that it had; one that had none says what the judge answered instead.
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
    nothing = _nothing_scored([record for records in new.values() for record in records])
    if nothing and any(_scored(record) for records in old.values() for record in records):
        raise ValueError(f"{nothing}. The run keeps the scores that it had")
    results = json.loads(read_text(run.results_path))
    written: dict[Path, str] = {}
    for task, records in new.items():
        path = samples_path(run.results_path, task)
        written[path] = _samples(read_bytes(path), records)
        results["results"][task] |= _numbers(records)
    results[MANIFEST_KEY] = dict(manifest)
    written[run.results_path] = json.dumps(results, indent=2)
    _replace_all(written)
    if nothing:
        raise ValueError(nothing)
    return sum(map(len, new.values()))


def count_scores_of_others(run: Run, judge: str) -> dict[str, int]:
    """How many scores a run holds of each other judge; they are lost when ``judge`` scores it."""
    found: Counter[str] = Counter()
    for record in (r for task in run.tasks for r in task.records if isinstance(r, GroundingRecord)):
        found[one_line(record.judge or "an unnamed judge", 80)] += _scored(record)
    return {name: n for name, n in found.items() if n and name != judge}


def record_judge(results_path: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a judge that was asked during the run into its results."""
    results = json.loads(read_text(results_path))
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


def _nothing_scored(records: Sequence[GroundingRecord]) -> str:
    """What a judge that answers nothing must not hide; empty when there is a score, or no pair."""
    reasons = sum((Counter(record.unjudged) for record in records), Counter[str]())
    if not reasons or any(map(_scored, records)):
        return ""
    why = describe_pairs(reasons, collect_replies(records))
    return f"the judge scored none of the {reasons.total()} pairs: {why}"


def _scored(record: GroundingRecord) -> int:
    return sum(score is not None for score in record.scores or ())


def _replace_all(written: dict[Path, str]) -> None:
    """All new files exist before the first takes its place; they do so in their order."""
    with ExitStack() as stack:
        for path in reversed(list(written)):  # what was entered last ends first
            stack.enter_context(replaced(path)).write_text(written[path], encoding="utf-8")
