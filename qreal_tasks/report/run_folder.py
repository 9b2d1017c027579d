"""A results folder of the harness: find a run in it and read its records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.records import JudgmentRecord, Record, RecordError, from_json

RESULTS_SUFFIX = "_results.json"

LEAVES = {
    **{f"qreal_objectqa_{name}": name for name in QUESTION_NAMES},
    **{f"qreal_imageqa_{name}": name for name in IMAGEQA_SETS},
}
"""Leaf task to its question or set."""

_HIGHEST_LIMIT = 10**9
"""Keeps out what is no number and what fits no float."""


class RunFolderError(Exception):
    """A folder that holds no readable run; the message names the file."""


@dataclass(frozen=True)
class TaskRun:
    """One leaf task of a run: what the harness printed, and the records it can be recomputed from."""

    task: str
    version: str
    live: Mapping[str, Any]
    """Metric name to what the results file says, which anyone may have edited."""
    records: tuple[Record, ...]

    @property
    def name(self) -> str:
        """The question or the ImageQA set."""
        return LEAVES[self.task]


@dataclass(frozen=True)
class Run:
    """One run of the harness on our tasks."""

    results_path: Path
    model: str
    model_args: str
    limit: float | None
    """As given on the command line: a run with one is partial."""
    tasks: tuple[TaskRun, ...]

    @property
    def data(self) -> str:
        """Where the dataset was."""
        return next((record.data for task in self.tasks for record in task.records), "unknown")

    @property
    def judges(self) -> tuple[str, ...]:
        """Name and manifest hash of every judge that scored a description."""
        named = (getattr(record, "judge", None) for task in self.tasks for record in task.records)
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @property
    def is_mini(self) -> bool:
        return self.data == "mini"


def find_results(path: Path) -> list[Path]:
    """The results files at or below ``path``, newest last.

    Raises:
        RunFolderError: there is none.
    """
    if path.is_file() and path.name.endswith(RESULTS_SUFFIX):
        return [path]
    if not path.exists():
        raise RunFolderError(f"{path} does not exist; expected the output folder of a run, or its *{RESULTS_SUFFIX}")
    found = sorted(
        path.rglob(f"*{RESULTS_SUFFIX}"), key=lambda p: (p.name, p.stat().st_mtime)
    )  # the name starts with date and time
    if not found:
        raise RunFolderError(
            f"{path}: no *{RESULTS_SUFFIX} in it or below; the run did not finish, or was started without --output_path"
        )
    return found


def read_run(results_path: Path) -> Run:
    """Read a results file and the samples beside it.

    Raises:
        RunFolderError: a file is missing or damaged, a record cannot be read, or there is no task of ours.
    """
    try:
        results = json.loads(results_path.read_text(encoding="utf-8"))
        config, numbers = dict(results["config"]), dict(results["results"])
        versions = dict(results.get("versions") or {})
        names = [task for task in LEAVES if task in numbers]
        live = {task: _live_numbers(dict(numbers[task])) for task in names}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(
            f"{results_path}: not a results file of lmms-eval: {type(error).__name__}: {error}"
        ) from None
    if not names:
        raise RunFolderError(f"{results_path}: no qreal task in it; found {', '.join(numbers) or 'no task at all'}")
    return Run(
        results_path=results_path,
        model=str(config.get("model")),
        model_args=str(config.get("model_args") or ""),
        limit=_limit(results_path, config.get("limit")),
        tasks=tuple(
            TaskRun(task, str(versions.get(task)), live[task], tuple(_read_samples(results_path, task)))
            for task in names
        ),
    )


def samples_path(results_path: Path, task: str) -> Path:
    """The sample log of a task, beside the results."""
    prefix = results_path.name.removesuffix(RESULTS_SUFFIX)
    return results_path.with_name(f"{prefix}_samples_{task}.jsonl")


def _limit(results_path: Path, found: object) -> float | None:
    """Images, or a share of them below 1; anything else is not what the harness writes."""
    if found is None:
        return None
    if isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < _HIGHEST_LIMIT:
        return found
    raise RunFolderError(
        f"{results_path}: config.limit is {found!r:.80}, expected a number or null, as --limit of the run gave it; put "
        "the file back as the harness wrote it"
    )


def _live_numbers(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """``{"acc,none": .5}`` as ``{"acc": .5}``, without the harness's own standard errors."""
    split = ((key.partition(","), value) for key, value in numbers.items())
    return {metric: value for (metric, comma, _), value in split if comma and "_stderr" not in metric}


def _read_samples(results_path: Path, task: str) -> Iterator[Record]:
    path = samples_path(results_path, task)
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RunFolderError(
            f"{path}: {error.strerror}; run with --log_samples, and keep the files of a run together"
        ) from None
    for number, line in enumerate(lines, start=1):
        try:
            record = from_json(json.loads(line)["records"])
        except KeyError:
            raise RunFolderError(f"{path} line {number}: no `records`; written by another version") from None
        except (RecordError, ValueError, TypeError, RecursionError) as error:
            raise RunFolderError(f"{path} line {number}: {error}") from None
        about = record.question if isinstance(record, JudgmentRecord) else record.set_name
        if about != LEAVES[task]:
            raise RunFolderError(f"{path} line {number}: a record of {about}, expected {LEAVES[task]}")
        yield record
