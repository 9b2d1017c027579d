"""Predictions to a run folder: the records and numbers that a live run with these answers leaves behind."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qreal_tasks.answers import read_declared_marks
from qreal_tasks.benchmark import GROUPS, LEAVES, Style
from qreal_tasks.boxes import DEFAULT_BOX_SPACE, Space
from qreal_tasks.dataset.source import locate
from qreal_tasks.files.atomic import find_free_name, new_folder
from qreal_tasks.leaf_tasks import task_versions
from qreal_tasks.metrics.live import compute_live
from qreal_tasks.predictions.asked_rows import AskedRows, load_asked_rows
from qreal_tasks.predictions.chat_lines import ChatLines
from qreal_tasks.predictions.matching import MatchedTask, describe_matches, find_space, match_predictions
from qreal_tasks.predictions.reading import Prediction, PredictionFile, PredictionsError, count_empty, read_predictions
from qreal_tasks.predictions.rows import PredictionRows
from qreal_tasks.records import record_to_json
from qreal_tasks.results.predicted import (
    NO_PREDICTION,
    PREDICTIONS_BACKEND,
    PREDICTIONS_KEY,
    PredictedFile,
    PredictionsOrigin,
)
from qreal_tasks.results.run_folder import RESULTS_SUFFIX, Run, TaskRun, clean_records, samples_path
from qreal_tasks.samples import ModelAnswer, SampleContext, build_record
from qreal_tasks.text.one_line import first_unseen, one_line

_NO_ANSWER = ModelAnswer("", unanswered=NO_PREDICTION)


@dataclass(frozen=True)
class PredictedRun:
    """A run made of predictions, and what must be said of it."""

    run: Run
    notes: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Samples that count as unanswered."""
        return self.run.origin.missing if self.run.origin else 0


def score_predictions(
    sources: Sequence[Path | PredictionRows],
    data: str | None,
    model: str,
    *,
    out: Path | None = None,
    style: Style = Style.BENCHMARK,
    space: Space | None = None,
    only_answered: bool = False,
) -> PredictedRun:
    """Write the run folder of predictions; arguments beside ``out`` as ``build_run``.

    Args:
        out: folder that is empty or not there, by default one in ``runs/``; appears whole, or not at all.

    Raises:
        PredictionsError, DatasetError: as ``build_run``.
        OSError: a file cannot be read or written.
    """
    found = build_run(sources, data, model, style=style, space=space, only_answered=only_answered)
    folder = out or find_free_name(Path("runs") / f"{_folder_name(model)}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    return replace(found, run=_write(found.run, folder))


def build_run(
    sources: Sequence[Path | PredictionRows],
    data: str | None,
    model: str,
    *,
    style: Style = Style.BENCHMARK,
    space: Space | None = None,
    only_answered: bool = False,
) -> PredictedRun:
    """Make the run of predictions, in memory alone.

    Args:
        sources: files, or rows; together they are one run.
        data: as ``locate`` takes it.
        model: what to call the model.
        style: whose prompts the model was asked with, where the ids do not say it.
        space: in which boxes are written, where the file does not say it.
        only_answered: leave out samples without a prediction; the run is then partial, as one with ``--limit``.

    Raises:
        PredictionsError: a file cannot be read, is of another dataset, or contradicts itself.
        DatasetError: the dataset cannot be loaded.
        OSError: a file cannot be read.
    """
    _check_model(model)
    source = locate(data)
    load = functools.cache(lambda: load_asked_rows(source))  # behind the files: what is wrong with them is told at once
    files = [read_predictions(one, style, ChatLines(load)) for one in sources]
    rows = load()
    predictions = [one for file in files for one in file.predictions]
    space = find_space(predictions, space)
    matched = match_predictions(predictions, rows)
    origin = _origin(files, matched, only_answered)
    run = _run(model, matched, rows, SampleContext(rows.source.name, space=space), only_answered)
    notes = [*_about_files(files, predictions, space), *describe_matches(matched, rows, only_answered=only_answered)]
    return PredictedRun(replace(run, origin=origin), tuple(notes))


def _check_model(model: str) -> None:
    unseen = first_unseen(model)
    if not model.strip() or "," in model or unseen is not None:
        raise PredictionsError(
            f"the model's name is {one_line(model, 60)!r}, expected one line without commas, such as its hub id"
        )


def _folder_name(model: str) -> str:
    return "".join(one if one.isalnum() or one in "-_." else "-" for one in model).strip("-.") or "model"


def _origin(files: Sequence[PredictionFile], matched: Sequence[MatchedTask], only_answered: bool) -> PredictionsOrigin:
    missing = sum(len(one.missing) for one in matched)
    return PredictionsOrigin(
        files=[PredictedFile(name=file.name, sha256=file.sha256, rows=len(file.predictions)) for file in files],
        missing=0 if only_answered else missing,
        left_out=missing if only_answered else 0,
    )


def _run(
    model: str, matched: Sequence[MatchedTask], rows: AskedRows, context: SampleContext, only_answered: bool
) -> Run:
    tasks = tuple(_task(one, rows, context, only_answered) for one in matched)
    asked = sum(len(rows.of(one.name)) for one in matched)
    answered = sum(len(task.records) for task in tasks)
    return Run(
        results_path=Path(),
        model=PREDICTIONS_BACKEND,
        model_args=f"model={model.strip()}",
        limit=None if answered == asked else round(answered / asked, 6),
        tasks=tasks,
    )


def _task(matched: MatchedTask, rows: AskedRows, context: SampleContext, only_answered: bool) -> TaskRun:
    style, name = LEAVES[matched.task]
    of_task = SampleContext(context.data, style, None, context.space, read_declared_marks())
    records = [
        build_record(row, name, matched.answers.get(sample_id, _NO_ANSWER), of_task)
        for sample_id, row in rows.of(name).items()
        if not only_answered or sample_id in matched.answers
    ]
    cleaned = tuple(clean_records(records))
    return TaskRun(matched.task, task_versions()[matched.task], compute_live(cleaned), cleaned)


def _write(run: Run, folder: Path) -> Run:
    """Write the folder, and return the run with its place."""
    now = datetime.now(UTC)
    name = f"{now:%Y%m%d_%H%M%S}{RESULTS_SUFFIX}"
    results: dict[str, Any] = {
        "results": {task.task: _reported(task) for task in run.tasks},
        "versions": {task.task: task.version for task in run.tasks},
        "config": {"model": run.model, "model_args": run.model_args, "limit": run.limit},
        "date": f"{now:%Y%m%d_%H%M%S}",
        PREDICTIONS_KEY: run.origin and run.origin.model_dump(mode="json"),
    }
    with new_folder(folder) as filled:
        for task in run.tasks:
            lines = (
                json.dumps({"doc_id": number, "records": record_to_json(record)})
                for number, record in enumerate(task.records)
            )
            samples_path(filled / name, task.task).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        (filled / name).write_text(json.dumps(results, indent=2, allow_nan=False), encoding="utf-8")
    return replace(run, results_path=folder / name)


def _reported(task: TaskRun) -> dict[str, Any]:
    """The numbers under the names that the harness gives them."""
    return {"alias": task.task, **{f"{metric},none": value for metric, value in task.live.items()}}


def _about_files(files: Sequence[PredictionFile], predictions: Sequence[Prediction], space: Space | None) -> list[str]:
    notes = [f"{file.name}: {len(file.predictions):,} predictions ({file.kind.removeprefix('.')})" for file in files]
    notes += [f"{file.name}: {file.note}" for file in files if file.note]
    notes += [f"{file.name}: columns that are not used: {_columns(file.unused)}" for file in files if file.unused]
    notes += [
        f"{task}: {count:,} answers are empty: they count as unreadable"
        for task, count in count_empty(predictions).items()
    ]
    asked_boxes = any("_imageqa_" in one.task for one in predictions)
    if asked_boxes and space is None:
        notes.append(
            f"boxes are ASSUMED to be written in {DEFAULT_BOX_SPACE}: neither the file nor --box-space says it. If the "
            f"model writes in another one, every ImageQA number is wrong; give --box-space (in Python box_space), one "
            f"of {', '.join(Space)}"
        )
    styles = {LEAVES[one.task][0] for one in predictions}
    if len(styles) > 1:
        notes.append(f"tasks of {' and of '.join(GROUPS[one] for one in Style if one in styles)}: a run of both styles")
    return notes


def _columns(names: Sequence[str]) -> str:
    return one_line(", ".join(names), 200)
