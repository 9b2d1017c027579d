"""What exports are made of: a run of the harness or a submission, rescored from its records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qreal_tasks.benchmark import Style
from qreal_tasks.judge.manifest import JudgeManifest
from qreal_tasks.leaderboard.result import MetricValue, compute_image_means, list_numbers
from qreal_tasks.leaderboard.submission.claims import SEED
from qreal_tasks.leaderboard.submission.manifest import Backend, ModelInfo, explain_errors
from qreal_tasks.leaderboard.submission.model_info import read_backend_info, read_model_info, read_results
from qreal_tasks.leaderboard.submission.reading import MANIFEST, SAMPLES, as_run, open_folder, read_folder, samples_path
from qreal_tasks.leaderboard.submission.samples_file import read_records
from qreal_tasks.leaf_tasks import MEAN
from qreal_tasks.metrics.bootstrap import RESAMPLES
from qreal_tasks.records import Record
from qreal_tasks.results.rejudge import MANIFEST_KEY
from qreal_tasks.results.run_folder import Run, newest_results, read_run
from qreal_tasks.results.score import score_run
from qreal_tasks.results.start_time import read_start
from qreal_tasks.text.addresses import shown

_HUB_ID = re.compile(r"(?P<id>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w./-]+))?")


class ExportError(ValueError):
    """What cannot be exported; the message says why and what to do."""


@dataclass(frozen=True)
class ExportSource:
    """A scored run with what is known about it."""

    run: Run
    groups: Mapping[str, Mapping[str, MetricValue]]
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
            ExportError: the run was on a folder, and no id is given; or on drawn pictures.
        """
        if self.run.is_drawn:
            raise ExportError("the run is on pictures that `qreal mini` drew, so its numbers are no benchmark result")
        match = _HUB_ID.fullmatch(given or self.data)
        if match is None:
            raise ExportError(
                f"the run is on {self.data}, which is no dataset of the hub; name it with --dataset org/name"
            )
        own = _HUB_ID.fullmatch(self.data)
        if own is None or own["id"] != match["id"] or (given and match["revision"]):
            return match["id"], match["revision"]
        return match["id"], self.commit or own["revision"]


def load_source(path: Path, resamples: int = RESAMPLES, style: Style | None = None) -> ExportSource:
    """Read and score a run or a submission.

    Args:
        style: as ``read_run``; a submission has one style, and no other can be named.

    Raises:
        ExportError: a submission that cannot be read or is of another style, or a model whose name cannot be published.
        RunFolderError: a run that cannot be read.
        ValueError: records that contradict each other.
    """
    return _submission(path, resamples, style) if (path / MANIFEST).is_file() else _run(path, resamples, style)


def _run(path: Path, resamples: int, style: Style | None) -> ExportSource:
    results_path = newest_results(path)
    results, run = read_results(results_path), read_run(results_path, style)
    try:
        model, backend = read_model_info(results), read_backend_info(results)
    except ValidationError as error:
        raise ExportError(f"{results_path}: {'; '.join(explain_errors(error))}") from None
    return ExportSource(
        run=run,
        groups=score_groups(run, resamples),
        model=model,
        backend=backend,
        created=read_start(results, results_path),
        data=shown(run.data),
        commit=None,
        judge=_judge(results.get(MANIFEST_KEY), run),
        resamples=resamples,
    )


def _judge(manifest: object, run: Run) -> Mapping[str, Any] | None:
    """The manifest in the results, when it is that of a judge of this run: tasks of the other style may have had
    another judge after it."""
    try:
        judge = JudgeManifest.model_validate(manifest)
    except ValidationError:
        return None
    return judge.published().model_dump(mode="json") if judge.title in run.judges else None


def _submission(path: Path, resamples: int, style: Style | None) -> ExportSource:
    opened = open_folder(read_folder(path))
    problems = list(opened.problems)
    records: dict[str, list[Record]] = {}
    for task, lines in opened.lines.items():
        records[task], unreadable = read_records(lines, samples_path(task))
        problems += unreadable
    run = as_run(opened, records)
    if problems or opened.manifest is None or run is None:
        why = "; ".join(map(str, problems[:3])) or f"no samples under {SAMPLES}/"
        raise ExportError(f"{path}: {why}. Check it with `qreal submit check`.")
    manifest = opened.manifest
    if style is not None and style is not manifest.prompts:
        raise ExportError(f"{path}: a submission with the prompts {manifest.prompts}, --prompts says {style}")
    return ExportSource(
        run=run,
        groups=score_groups(run, resamples),
        model=manifest.model,
        backend=manifest.backend,
        created=manifest.created,
        data=manifest.data.name,
        commit=manifest.data.revision,
        judge=manifest.judge,
        resamples=resamples,
    )


def score_groups(run: Run, resamples: int) -> dict[str, Mapping[str, MetricValue]]:
    """The run's numbers as ``ExportSource.groups`` has them."""
    found: dict[str, Mapping[str, MetricValue]] = {**list_numbers(score_run(run, resamples=resamples, seed=SEED))}
    means, _ = compute_image_means(run.records, resamples)
    return {**found, f"imageqa.{MEAN}": means} if means else found
