"""Safe reading of a folder that a stranger wrote: nothing is followed, unpacked or executed before it is weighed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import LEAVES
from qreal_tasks.files.regular import read_bytes
from qreal_tasks.leaderboard.submission.manifest import SubmissionManifest, read_manifest
from qreal_tasks.leaderboard.submission.problems import Refusal, Rule
from qreal_tasks.leaderboard.submission.samples_file import decompress, parse_json
from qreal_tasks.leaf_tasks import TASKS
from qreal_tasks.records import Record
from qreal_tasks.results.predicted import PredictionsOrigin
from qreal_tasks.results.run_folder import Run, TaskRun

MANIFEST = "manifest.json"
SCORES = "scores.json"
SAMPLES = "samples"
MOST_FILES = 20

SIZES = {MANIFEST: 256 * 2**10, SCORES: 8 * 2**20}
"""Most bytes of these two files."""
SAMPLES_SIZE = 64 * 2**20
"""Most bytes of one task's samples, as they lie on the disk."""

_EXECUTABLE = (".pkl", ".pickle", ".pt", ".pth", ".npy", ".npz", ".joblib", ".py", ".so", ".dll", ".exe")
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar", ".bz2", ".xz", ".zst")


def samples_path(task: str) -> str:
    """Where a submission keeps the samples of a task, relative to its folder.

    >>> samples_path("qreal_imageqa_realism")
    'samples/qreal_imageqa_realism.jsonl.gz'
    """
    return f"{SAMPLES}/{task}.jsonl.gz"


ALLOWED = {MANIFEST, SCORES, *(samples_path(task) for task in TASKS)}


@dataclass(frozen=True)
class SubmissionFolder:
    """What was read: bytes of the files that may be there, and what was wrong with the rest."""

    files: Mapping[str, bytes]
    problems: tuple[Refusal, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over names and bytes of all files read, and over what was wrong with the others."""
        state = hashlib.sha256()
        for path in sorted(self.files):
            state.update(f"{path} {len(self.files[path])}\n".encode())
            state.update(self.files[path])
        state.update("\n".join(map(str, self.problems)).encode("utf-8", "surrogatepass"))
        return state.hexdigest()


def read_folder(folder: Path) -> SubmissionFolder:
    """Read the files that belong to a submission; links, archives, pickles and strangers stay closed."""
    files: dict[str, bytes] = {}
    problems: list[Refusal] = []
    if folder.is_symlink() or not folder.is_dir():
        return SubmissionFolder(
            {}, (Refusal(Rule.FOLDER, f"{folder.name}: no folder; expected what `qreal submit pack` wrote"),)
        )
    found = _listed(folder)
    if len(found) > MOST_FILES:
        return SubmissionFolder(
            {}, (Refusal(Rule.TOO_LARGE, f"{len(found)} files or more, expected at most {MOST_FILES}"),)
        )
    for path in found:
        refused = _refused(folder, path)
        if refused is None:
            files[path] = read_bytes(folder / path)
        else:
            problems.append(refused)
    for path in (MANIFEST, SCORES):
        if path not in found:
            problems.append(Refusal(Rule.FOLDER, f"{path} is missing; pack the run again"))
    return SubmissionFolder(files, tuple(problems))


def _listed(folder: Path) -> list[str]:
    """Every entry below that is no plain folder, as a relative path; stops soon after too many."""
    found: list[str] = []
    waiting = [""]
    while waiting and len(found) <= MOST_FILES:
        inside = waiting.pop()
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                path = f"{inside}/{entry.name}" if inside else entry.name
                if entry.is_dir(follow_symlinks=False) and path == SAMPLES:
                    waiting.append(path)
                else:
                    found.append(path)
                if len(found) > MOST_FILES:
                    break
    return sorted(found)


def _refused(folder: Path, path: str) -> Refusal | None:
    status = (folder / path).lstat()
    if stat.S_ISLNK(status.st_mode):
        return Refusal(Rule.FOLDER, f"{path!r:.120} is a link; links are not followed, put the file itself")
    if path.lower().endswith(_EXECUTABLE):
        return Refusal(Rule.FOLDER, f"{path!r:.120} can hold code; pickles and programs are never opened, remove it")
    if path.lower().endswith(_ARCHIVES):
        return Refusal(Rule.FOLDER, f"{path!r:.120} is an archive; archives are never unpacked, remove it")
    if path not in ALLOWED:
        return Refusal(Rule.FOLDER, f"{path!r:.120} is no file of a submission; remove it")
    if not stat.S_ISREG(status.st_mode):
        return Refusal(Rule.FOLDER, f"{path} is no plain file")
    most = SIZES.get(path, SAMPLES_SIZE)
    if status.st_size > most:
        return Refusal(Rule.TOO_LARGE, f"{path} has {status.st_size:,} bytes, expected at most {most:,}")
    return None


@dataclass(frozen=True)
class Opened:
    """The parts of a folder, as far as they could be read."""

    manifest: SubmissionManifest | None
    scores: Mapping[str, Any] | None
    lines: Mapping[str, bytes]
    """Task to its samples, unpacked."""
    problems: tuple[Refusal, ...]


def open_folder(folder: SubmissionFolder) -> Opened:
    """Parse manifest and scores, unpack the samples, and hold every file against the manifest's list."""
    problems = list(folder.problems)
    manifest: SubmissionManifest | None = None
    content = _json(folder, MANIFEST, problems)
    if content is not None:
        read = read_manifest(content)
        if isinstance(read, SubmissionManifest):
            manifest = read
            problems += _unlisted(manifest, folder.files)
        else:
            problems += [Refusal(Rule.MANIFEST, f"{MANIFEST}: {line}") for line in read]
    scores = _json(folder, SCORES, problems)
    if scores is not None and not isinstance(scores, Mapping):
        problems.append(Refusal(Rule.NUMBER, f"{SCORES}: holds {type(scores).__name__}, expected an object"))
        scores = None
    lines: dict[str, bytes] = {}
    for task in TASKS:
        path = samples_path(task)
        if path in folder.files:
            unpacked = decompress(folder.files[path], path)
            if isinstance(unpacked, Refusal):
                problems.append(unpacked)
            else:
                lines[task] = unpacked
    if manifest is not None:
        problems += _of_the_other_style(manifest, lines)
    return Opened(manifest, scores, lines, tuple(problems))


def _json(folder: SubmissionFolder, path: str, problems: list[Refusal]) -> Any:
    if path not in folder.files:
        return None
    try:
        return parse_json(folder.files[path])
    except ValueError as error:
        problems.append(Refusal(Rule.DAMAGED, f"{path}: no JSON: {error}"))
        return None


def _of_the_other_style(manifest: SubmissionManifest, tasks: Iterable[str]) -> list[Refusal]:
    other = [task for task in tasks if LEAVES[task][0] is not manifest.prompts]
    if not other:
        return []
    more = f" and of {len(other) - 1} other tasks" if len(other) > 1 else ""
    message = (
        f"{MANIFEST}: prompts is {manifest.prompts}, but there are samples of {other[0]}{more}, which ask in the other "
        "style; a submission is of one style, pack the run again"
    )
    return [Refusal(Rule.PROMPTS, message)]


def _unlisted(manifest: SubmissionManifest, files: Mapping[str, bytes]) -> list[Refusal]:
    """Files that the manifest does not list, lists and lacks, or lists with other content."""
    problems: list[Refusal] = []
    for path, count in Counter(file.path for file in manifest.files).items():
        if count > 1:
            message = f"{MANIFEST}: files names {path!r:.120} {count} times, expected once; pack the run again"
            problems.append(Refusal(Rule.MANIFEST, message))
    listed = {file.path: file.sha256 for file in manifest.files}
    for path, sha256 in listed.items():
        if path not in ALLOWED - {MANIFEST}:
            message = f"{MANIFEST}: files names {path!r:.120}, which is no file of a submission and is not opened"
            problems.append(Refusal(Rule.FOLDER, message))
        elif path not in files:
            problems.append(Refusal(Rule.FOLDER, f"{path} is in the manifest, but not in the folder; upload it again"))
        elif hashlib.sha256(files[path]).hexdigest() != sha256:
            message = f"{path} is not the file that was packed (its SHA-256 differs); pack the run again"
            problems.append(Refusal(Rule.CHANGED, message))
    for path in sorted(files.keys() - listed.keys() - {MANIFEST}):
        problems.append(Refusal(Rule.FOLDER, f"{path} is in the folder, but not in the manifest; pack the run again"))
    return problems


def as_run(opened: Opened, records: Mapping[str, Sequence[Record]]) -> Run | None:
    """The submission as if it had been read from a folder of the harness; None without samples.

    Args:
        records: task to its samples, read from ``opened.lines``.
    """
    if not records:
        return None
    manifest, live = opened.manifest, opened.scores.get("live") if opened.scores else None
    claimed = {task: live.get(task) if isinstance(live, Mapping) else None for task in records}
    versions = manifest.task_versions if manifest else {}
    tasks = [
        TaskRun(task, versions.get(task, "unknown"), numbers if isinstance(numbers, Mapping) else {}, tuple(some))
        for (task, some), numbers in zip(records.items(), claimed.values(), strict=True)
    ]
    answers = manifest.answers if manifest else None
    origin = None if answers is None else PredictionsOrigin.model_validate(answers.model_dump(mode="json"))
    return Run(
        results_path=Path(MANIFEST),
        model=manifest.backend.name if manifest else "unknown",
        model_args="",
        limit=None,
        tasks=tuple(tasks),
        origin=origin,
    )
