"""A run of the harness to a submission: one folder that holds all that anyone needs to recompute it.

pack_run(find_results(Path("runs/mine"))[-1], Path("submission"), Said(name="My model"))
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from qreal_tasks.benchmark import PROMPT_VERSION
from qreal_tasks.judge.manifest import Manifest as JudgeManifest
from qreal_tasks.judge.manifest import ManifestError, load_manifest
from qreal_tasks.leaderboard.claims import SEED, scores_json
from qreal_tasks.leaderboard.manifest import DataInfo, FileInfo, Manifest, read_manifest, reasons, slug
from qreal_tasks.leaderboard.model_info import backend_info, cost_info, made_at, model_info, read_results, shown
from qreal_tasks.leaderboard.reading import MANIFEST, SAMPLES, SCORES, samples_path
from qreal_tasks.leaderboard.references import fingerprint
from qreal_tasks.leaderboard.samples_file import compressed, samples_digest, to_lines
from qreal_tasks.leaderboard.tasks import TASKS, Half, task_versions, tasks_of
from qreal_tasks.metrics.bootstrap import RESAMPLES
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.records import RECORD_VERSION, Record
from qreal_tasks.report.rejudge import MANIFEST_KEY
from qreal_tasks.report.run_folder import Run, read_run
from qreal_tasks.report.score import differences, score_run


class PackError(ValueError):
    """A run that cannot be submitted; the message says why and what to do."""


@dataclass(frozen=True)
class Said:
    """What only the submitter knows."""

    name: str
    """For the board."""
    description: str = ""
    contact: str | None = None
    hardware: str | None = None
    usd: float | None = None


class Packed(NamedTuple):
    """What was written, and where."""

    folder: Path
    manifest: Manifest


def pack_run(
    results_path: Path, target: Path | None, said: Said, *, commit: str | None = None, resamples: int = RESAMPLES
) -> Packed:
    """Write the submission of a run; equal input gives equal bytes.

    Args:
        target: a folder that is empty or does not exist, by default ``submissions/<id>``; appears whole, or not at all.
        commit: of the dataset on the hub, when it is known.

    Raises:
        PackError: the run is on mini, cut by ``--limit``, incomplete, of other versions, or its live numbers are not
            those of its samples.
        RunFolderError: the run cannot be read.
        OSError: the target cannot be written.
    """
    _require_free(target)
    results = read_results(results_path)
    run = read_run(results_path)
    halves = _complete_halves(run)
    _require_submittable(run)
    scores = score_run(run, resamples=resamples, seed=SEED)
    if wrong := differences(run, scores):
        shown_lines = "\n  ".join(wrong[:10])
        raise PackError(f"the samples or the results were changed after the run:\n  {shown_lines}")
    name = shown(run.data)
    lines = {task.task: to_lines(replace(r, data=name) for r in task.records) for task in run.tasks}
    files = {samples_path(task): compressed(text) for task, text in lines.items()}
    files[SCORES] = _pretty(scores_json(run, scores, resamples))
    try:
        manifest = _manifest(results, results_path, run, said, halves, lines, files, commit)
    except ValidationError as error:  # of a part: the model, the cost
        raise PackError("; ".join(reasons(error))) from None
    folder = target or Path("submissions") / manifest.id
    _require_free(folder)
    _write(folder, {**files, MANIFEST: _pretty(manifest.model_dump(mode="json"))})
    return Packed(folder, manifest)


def _require_free(target: Path | None) -> None:
    if target is not None and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise PackError(f"{target} is there already and not empty; name another folder")


def _complete_halves(run: Run) -> list[Half]:
    """Which halves the run is complete in; the human set may be missing where the dataset has no portraits."""
    ran = {task.task for task in run.tasks}
    halves = []
    for half in Half:
        due = [task for task in tasks_of(half) if task != "qreal_imageqa_human_plausibility"]
        if not ran & set(tasks_of(half)):
            continue
        if missing := [task for task in due if task not in ran]:
            raise PackError(
                f"{half} is incomplete: {', '.join(missing)} did not run. A submission is complete in ObjectQA, in "
                f"ImageQA or in both; run --tasks qreal_{half}"
            )
        halves.append(half)
    return halves


def _require_submittable(run: Run) -> None:
    if run.is_mini:
        raise PackError(f"{MINI_NOTICE} Set QREAL_DATA and run again.")
    if run.limit is not None:
        raise PackError(f"the run was started with --limit {run.limit:g}, so it is partial; run it without")
    names = {record.data for task in run.tasks for record in task.records}
    if len(names) != 1:
        raise PackError(f"the samples are of {len(names)} datasets ({', '.join(sorted(names))}); run all tasks on one")
    for task in run.tasks:
        if not task.records:
            raise PackError(f"{task.task}: no samples; run it again")
        if task.version != task_versions()[task.task]:
            raise PackError(
                f"{task.task} ran as version {task.version}, this release computes {task_versions()[task.task]}; "
                "run it again"
            )
        if prompts := {record.prompt_version for record in task.records} - {PROMPT_VERSION}:
            raise PackError(
                f"{task.task}: prompt version {', '.join(sorted(prompts))}, this release asks {PROMPT_VERSION}"
            )


def _manifest(
    results: Mapping[str, Any],
    path: Path,
    run: Run,
    said: Said,
    halves: Sequence[Half],
    lines: Mapping[str, bytes],
    files: Mapping[str, bytes],
    commit: str | None,
) -> Manifest:
    fingerprints = {half: fingerprint(_records(run, half)) for half in halves}
    value = {
        "format": 1,
        "id": f"{slug(said.name)}-{samples_digest(lines)[:12]}",
        "name": said.name,
        "description": said.description,
        "contact": said.contact,
        "created": made_at(results, path),
        "halves": [half.value for half in halves],
        "model": model_info(results).model_dump(mode="json"),
        "backend": backend_info(results).model_dump(mode="json"),
        "data": DataInfo(name=shown(run.data), revision=commit, fingerprints=fingerprints).model_dump(mode="json"),
        "task_versions": {task.task: task.version for task in run.tasks},
        "prompt_version": PROMPT_VERSION,
        "record_version": RECORD_VERSION,
        "limit": None,
        "judge": _judge_manifest(results, run),
        "cost": cost_info(results, said.hardware, said.usd).model_dump(mode="json"),
        "files": [
            FileInfo(path=p, sha256=hashlib.sha256(files[p]).hexdigest()).model_dump(mode="json") for p in sorted(files)
        ],
    }
    found = read_manifest(value)
    if isinstance(found, list):
        raise PackError("; ".join(found))
    return found


def _judge_manifest(results: Mapping[str, Any], run: Run) -> object:
    """Of the one judge that scored the run; plain lmms-eval leaves only its name and hash."""
    if not run.judges:
        return None
    if len(run.judges) > 1:
        raise PackError(f"descriptions were judged by {', '.join(run.judges)}; judge all by one with `qreal judge RUN`")
    if results.get(MANIFEST_KEY) is not None:
        return _published_judge(results[MANIFEST_KEY])
    title = run.judges[0]
    try:
        packaged = load_manifest(title.rpartition("@")[0])
    except ManifestError:
        packaged = None
    if packaged is None or packaged.title != title:
        raise PackError(
            f"the results do not hold the manifest of the judge {title}; `qreal judge RUN --judge FILE` adds it, and "
            "asks nothing that it has asked before"
        )
    return packaged.model_dump(mode="json")


def _published_judge(said: object) -> object:
    try:
        return JudgeManifest.model_validate(said).without_path().model_dump(mode="json")
    except ValidationError as error:
        raise PackError(f"{MANIFEST_KEY} in the results is no judge: {' '.join(str(error).split()):.300}") from None


def _records(run: Run, half: Half) -> list[Record]:
    return [record for task in run.tasks if TASKS[task.task][0] is half for record in task.records]


def _pretty(value: object) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode("ascii")


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    """All files, or none: the folder is made beside its place and moved there in one step."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        (beside / SAMPLES).mkdir(parents=True)
        for path, data in files.items():
            (beside / path).write_bytes(data)
        if target.exists():
            target.rmdir()
        os.replace(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
