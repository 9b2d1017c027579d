"""A results folder of the harness: find a run in it and read its records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qreal_tasks.records import Record, RecordError, from_json

RESULTS_SUFFIX = "_results.json"

_TASK = re.compile(r"qreal_(objectqa|imageqa)_(?P<name>\w+)")


class RunFolderError(Exception):
    """A folder that holds no readable run; the message names the file."""


@dataclass(frozen=True)
class TaskRun:
    """One leaf task of a run: what the harness printed, and the records it can be recomputed from."""

    task: str
    version: str
    live: Mapping[str, float | None]
    """Metric name to the number of the live run."""
    records: tuple[Record, ...]

    @property
    def name(self) -> str:
        """The question or the ImageQA set."""
        match = _TASK.fullmatch(self.task)
        assert match is not None
        return match["name"]


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
    found = sorted(path.rglob(f"*{RESULTS_SUFFIX}"), key=lambda p: (p.stat().st_mtime, p.name))
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
        config, numbers = results["config"], results["results"]
        names = [task for task in numbers if _TASK.fullmatch(task)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{results_path}: not a results file of lmms-eval: {type(error).__name__}: {error}"
        ) from None
    if not names:
        raise RunFolderError(f"{results_path}: no qreal task in it; found {', '.join(numbers) or 'no task at all'}")
    return Run(
        results_path=results_path,
        model=str(config.get("model")),
        model_args=str(config.get("model_args") or ""),
        limit=config.get("limit"),
        tasks=tuple(_read_task(results_path, results, name) for name in names),
    )


def _read_task(results_path: Path, results: Mapping[str, Any], task: str) -> TaskRun:
    prefix = results_path.name.removesuffix(RESULTS_SUFFIX)
    samples = results_path.with_name(f"{prefix}_samples_{task}.jsonl")
    if not samples.is_file():
        raise RunFolderError(f"{samples}: missing; run with --log_samples, and keep the files of a run together")
    return TaskRun(
        task=task,
        version=str(results.get("versions", {}).get(task)),
        live=_live_numbers(results["results"][task]),
        records=tuple(_read_samples(samples)),
    )


def _live_numbers(numbers: Mapping[str, Any]) -> dict[str, float | None]:
    """``{"acc,none": .5}`` as ``{"acc": .5}``, without the harness's own standard errors."""
    live: dict[str, float | None] = {}
    for key, value in numbers.items():
        metric, comma, _ = key.partition(",")
        if comma and "_stderr" not in metric and (value is None or isinstance(value, (int, float))):
            live[metric] = value
    return live


def _read_samples(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield from_json(json.loads(line)["records"])
            except KeyError:
                raise RunFolderError(f"{path} line {number}: no `records`; written by another version") from None
            except (RecordError, ValueError, TypeError) as error:
                raise RunFolderError(f"{path} line {number}: {error}") from None
