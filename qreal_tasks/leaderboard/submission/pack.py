"""A run of the harness to a submission: one folder that holds all that anyone needs to recompute it.

pack_run(newest_results(Path("runs/mine")), Path("submission"), Said(name="My model"))
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from qreal_tasks.benchmark import LEAVES, PROMPT_VERSION, Style
from qreal_tasks.files.atomic import new_folder
from qreal_tasks.judge.manifest import JudgeManifest, ManifestError, load_manifest
from qreal_tasks.leaderboard.submission.claims import SEED, build_scores
from qreal_tasks.leaderboard.submission.manifest import (
    FORMAT,
    DataInfo,
    FileInfo,
    SubmissionManifest,
    explain_errors,
    read_manifest,
)
from qreal_tasks.leaderboard.submission.model_info import (
    read_answers_info,
    read_backend_info,
    read_cost_info,
    read_model_info,
    read_results,
)
from qreal_tasks.leaderboard.submission.reading import MANIFEST, SAMPLES, SCORES, samples_path
from qreal_tasks.leaderboard.submission.references import fingerprint
from qreal_tasks.leaderboard.submission.samples_file import compress, digest_samples, to_lines
from qreal_tasks.leaf_tasks import Half, group_of, half_of, task_versions, tasks_of
from qreal_tasks.metrics.bootstrap import RESAMPLES
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.records import RECORD_VERSION, JudgmentRecord, Record
from qreal_tasks.results.asked import find_other_prompts
from qreal_tasks.results.rejudge import MANIFEST_KEY
from qreal_tasks.results.run_folder import Run, describe_limit, read_run
from qreal_tasks.results.score import find_differences, score_run
from qreal_tasks.results.start_time import read_start
from qreal_tasks.text.addresses import shown


class PackError(ValueError):
    """A run that cannot be submitted; the message says why and what to do."""


@dataclass(frozen=True)
class SubmitterInfo:
    """What only the submitter knows."""

    name: str
    """For the board."""
    description: str = ""
    contact: str | None = None
    hardware: str | None = None
    usd: float | None = None


class PackedSubmission(NamedTuple):
    """What was written, and where."""

    folder: Path
    manifest: SubmissionManifest


def pack_run(
    results_path: Path,
    target: Path | None,
    info: SubmitterInfo,
    *,
    style: Style | None = None,
    commit: str | None = None,
    resamples: int = RESAMPLES,
    practice: bool = False,
) -> PackedSubmission:
    """Write the submission of a run; equal input gives equal bytes.

    Args:
        target: a folder that is empty or does not exist, by default ``submissions/<id>``; appears whole, or not at all.
        style: as ``read_run``.
        commit: of the dataset on the hub, when it is known.
        practice: the run is on drawn pictures, and no board but one for practice takes it.

    Raises:
        PackError: the run is on drawn pictures and not for practice or the other way round, cut by ``--limit``,
            incomplete, of other versions, was asked with other words around the questions, or its live numbers are not
            those of its samples.
        RunFolderError: the run cannot be read.
        OSError: the target cannot be written.
    """
    _require_free(target)
    results = read_results(results_path)
    run = read_run(results_path, style)
    halves = _complete_halves(run)
    _require_submittable(run, practice)
    run = _published(run)
    scores = score_run(run, resamples=resamples, seed=SEED)
    if wrong := find_differences(run, scores):
        shown_lines = "\n  ".join(wrong[:10])
        raise PackError(f"the samples or the results were changed after the run:\n  {shown_lines}")
    lines = {task.task: to_lines(task.records) for task in run.tasks}
    files = {samples_path(task): compress(text) for task, text in lines.items()}
    files[SCORES] = _pretty(build_scores(run, scores, resamples))
    try:
        manifest = _manifest(results, results_path, run, info, halves, lines, files, commit)
    except ValidationError as error:  # of a part: the model, the cost
        raise PackError("; ".join(explain_errors(error))) from None
    folder = target or Path("submissions") / manifest.id
    _require_free(folder)
    content = manifest.model_dump(mode="json")
    if manifest.answers is None:  # as releases wrote it that knew nothing of such files
        del content["answers"]
    _write(folder, {**files, MANIFEST: _pretty(content)})
    return PackedSubmission(folder, manifest)


def _published(run: Run) -> Run:
    """The run without what no number depends on and nobody else may see: folders, and what a judge's server wrote where
    a score was expected. Reasons hold nothing private since the run was read."""

    def publish(record: Record) -> Record:
        record = replace(record, data=shown(record.data))
        return record if isinstance(record, JudgmentRecord) else replace(record, judge_said={})

    tasks = (replace(task, records=tuple(map(publish, task.records))) for task in run.tasks)
    return replace(run, tasks=tuple(tasks))


def _require_free(target: Path | None) -> None:
    if target is not None and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise PackError(f"{target} is there already and not empty; name another folder")


def _complete_halves(run: Run) -> list[Half]:
    """Which halves the run is complete in; the human set may be missing where the dataset has no portraits."""
    ran = {task.task for task in run.tasks}
    halves = []
    for half in Half:
        due = [task for task in tasks_of(half, run.style) if LEAVES[task][1] != "human_plausibility"]
        if not ran & set(tasks_of(half, run.style)):
            continue
        if missing := [task for task in due if task not in ran]:
            raise PackError(
                f"{half} is incomplete: {', '.join(missing)} did not run. A submission is complete in ObjectQA, in "
                f"ImageQA or in both; run --tasks {group_of(half, run.style)}"
            )
        halves.append(half)
    return halves


def _require_submittable(run: Run, practice: bool) -> None:
    if run.is_drawn and not practice:
        raise PackError(f"{MINI_NOTICE} Then run again. To try how submitting goes, give --practice.")
    if practice and not run.is_drawn:
        raise PackError("--practice is for runs on pictures that `qreal mini` drew; leave it out")
    if run.limit is not None:
        raise PackError(f"the run was {describe_limit(run)}, so it is partial; a submission has all samples")
    names = {record.data for record in run.records}
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
    if other := find_other_prompts(run.tasks):
        raise PackError(f"{other[0]}; {other[0].verdict}. Run it again with the prompts of the tasks")


def _manifest(
    results: Mapping[str, Any],
    path: Path,
    run: Run,
    info: SubmitterInfo,
    halves: Sequence[Half],
    lines: Mapping[str, bytes],
    files: Mapping[str, bytes],
    commit: str | None,
) -> SubmissionManifest:
    answers = read_answers_info(results)
    fingerprints = {half: fingerprint(r for r in run.records if half is half_of(r)) for half in halves}
    value = {
        "format": FORMAT,
        "id": f"{slug(info.name)}-{digest_samples(lines)[:12]}",
        "name": info.name,
        "description": info.description,
        "contact": info.contact,
        "created": read_start(results, path),
        "halves": [half.value for half in halves],
        "model": read_model_info(results).model_dump(mode="json"),
        "backend": read_backend_info(results).model_dump(mode="json"),
        "data": DataInfo(name=run.data, revision=commit, fingerprints=fingerprints).model_dump(mode="json"),
        "prompts": run.style,
        "task_versions": {task.task: task.version for task in run.tasks},
        "prompt_version": PROMPT_VERSION,
        "record_version": RECORD_VERSION,
        "limit": None,
        "judge": _judge_manifest(results, run),
        "answers": answers and answers.model_dump(mode="json"),
        "cost": read_cost_info(results, info.hardware, info.usd).model_dump(mode="json"),
        "files": [
            FileInfo(path=p, sha256=hashlib.sha256(files[p]).hexdigest()).model_dump(mode="json") for p in sorted(files)
        ],
    }
    found = read_manifest(value)
    if isinstance(found, list):
        raise PackError("; ".join(found))
    return found


def slug(name: str) -> str:
    """The short name that an id begins with.

    >>> slug("Qwen2.5-VL 7B (ours)"), slug("模型")
    ('qwen2-5-vl-7b-ours', 'model')
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].strip("-") or "model"


def _judge_manifest(results: Mapping[str, Any], run: Run) -> object:
    """The manifest of the one judge that scored the run. Plain lmms-eval leaves only its name and hash; where the tasks
    of the two styles were judged one after the other, the results hold the last judge's."""
    if not run.judges:
        return None
    if len(run.judges) > 1:
        raise PackError(f"descriptions were judged by {', '.join(run.judges)}; judge all by one with `qreal judge RUN`")
    title = run.judges[0]
    published = _published_judge(results.get(MANIFEST_KEY))
    if published is not None and published.title == title:
        return published.model_dump(mode="json")
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


def _published_judge(manifest: object) -> JudgeManifest | None:
    if manifest is None:
        return None
    try:
        return JudgeManifest.model_validate(manifest).published()
    except ValidationError as error:
        raise PackError(f"{MANIFEST_KEY} in the results is no judge: {' '.join(str(error).split()):.300}") from None


def _pretty(value: object) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode("ascii")


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    """All files, or none."""
    with new_folder(target) as beside:
        (beside / SAMPLES).mkdir()
        for path, data in files.items():
            (beside / path).write_bytes(data)
