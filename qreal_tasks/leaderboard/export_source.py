"""What exports are made of: a run of the harness or a submission, rescored from its records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qreal_tasks.leaderboard.claims import SEED
from qreal_tasks.leaderboard.manifest import Backend, ModelInfo, reasons
from qreal_tasks.leaderboard.model_info import backend_info, made_at, model_info, read_results, shown
from qreal_tasks.leaderboard.reading import MANIFEST, SAMPLES, open_folder, read_folder, samples_path
from qreal_tasks.leaderboard.result import MEAN, Number, image_means, numbers
from qreal_tasks.leaderboard.samples_file import read_records
from qreal_tasks.metrics.bootstrap import RESAMPLES
from qreal_tasks.report.rejudge import MANIFEST_KEY
from qreal_tasks.report.run_folder import Run, TaskRun, find_results, read_run
from qreal_tasks.report.score import score_run, to_json

_HUB_ID = re.compile(r"(?P<id>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w./-]+))?")


class ExportError(ValueError):
    """What cannot be exported; the message says why and what to do."""


@dataclass(frozen=True)
class ExportSource:
    """A scored run with what is known about it."""

    run: Run
    groups: Mapping[str, Mapping[str, Number]]
    """``objectqa.<group>`` and ``imageqa.<set or mean>`` to metric to value with interval."""
    model: ModelInfo
    backend: Backend
    created: str
    """By the harness's clock, ``2026-01-31T12:00:00``."""
    data: str
    commit: str | None
    judge: Mapping[str, Any] | None
    resamples: int

    def dataset(self, given: str | None = None) -> tuple[str, str | None]:
        """Id and revision of the dataset on the hub.

        A revision in ``given`` wins; what the run knows of its revision holds for the run's own dataset only.

        Raises:
            ExportError: the run was on a folder, and no id is given.
        """
        match = _HUB_ID.fullmatch(given or self.data)
        if match is None or self.run.is_mini:
            raise ExportError(
                f"the run is on {self.data}, which is no dataset of the hub; name it with --dataset org/name"
            )
        own = _HUB_ID.fullmatch(self.data)
        if own is None or own["id"] != match["id"] or (given and match["revision"]):
            return match["id"], match["revision"]
        return match["id"], self.commit or own["revision"]


def load_source(path: Path, resamples: int = RESAMPLES) -> ExportSource:
    """Read and score a run or a submission.

    Raises:
        ExportError: a submission that cannot be read, or a model whose name cannot be published.
        RunFolderError: a run that cannot be read.
        ValueError: records that contradict each other.
    """
    return _submission(path, resamples) if (path / MANIFEST).is_file() else _run(path, resamples)


def _run(path: Path, resamples: int) -> ExportSource:
    results_path = find_results(path)[-1]
    results, run = read_results(results_path), read_run(results_path)
    try:
        model, backend = model_info(results), backend_info(results)
    except ValidationError as error:
        raise ExportError(f"{results_path}: {'; '.join(reasons(error))}") from None
    return ExportSource(
        run=run,
        groups=_groups(run, resamples),
        model=model,
        backend=backend,
        created=made_at(results, results_path),
        data=shown(run.data),
        commit=None,
        judge=results.get(MANIFEST_KEY) if run.judges else None,
        resamples=resamples,
    )


def _submission(path: Path, resamples: int) -> ExportSource:
    opened = open_folder(read_folder(path))
    problems = list(opened.problems)
    versions = opened.manifest.task_versions if opened.manifest else {}
    tasks = []
    for task, lines in opened.lines.items():
        records, unread = read_records(lines, samples_path(task))
        problems += unread
        tasks.append(TaskRun(task, versions.get(task, "unknown"), {}, tuple(records)))
    if problems or opened.manifest is None or not tasks:
        said = "; ".join(map(str, problems[:3])) or f"no samples under {SAMPLES}/"
        raise ExportError(f"{path}: {said}. Check it with `qreal submit check`.")
    manifest = opened.manifest
    run = Run(path / MANIFEST, manifest.model.name, "", None, tuple(tasks))
    return ExportSource(
        run=run,
        groups=_groups(run, resamples),
        model=manifest.model,
        backend=manifest.backend,
        created=manifest.created,
        data=manifest.data.name,
        commit=manifest.data.revision,
        judge=manifest.judge,
        resamples=resamples,
    )


def _groups(run: Run, resamples: int) -> dict[str, Mapping[str, Number]]:
    said = to_json(score_run(run, resamples=resamples, seed=SEED))
    found: dict[str, Mapping[str, Number]] = {
        f"{table}.{name}": numbers(group["metrics"], group["intervals"])
        for table in ("objectqa", "imageqa")
        for name, group in said[table].items()
    }
    means, _ = image_means([record for task in run.tasks for record in task.records], resamples)
    return {**found, f"imageqa.{MEAN}": means} if means else found
