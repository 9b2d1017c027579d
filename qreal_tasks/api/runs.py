"""Runs: read from a folder, or made of predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from qreal_tasks.api.scores import ScoreTable
    from qreal_tasks.judge.judge import Judge
    from qreal_tasks.records import Record
    from qreal_tasks.results.run_folder import Run

    Predictions = str | Path | Sequence[str | Path] | pd.DataFrame | Iterable[Mapping[str, Any]]


@dataclass(frozen=True, repr=False)
class EvaluatedRun:
    """The answers of one model to the questions of a dataset, read and held against the reference."""

    run: Run
    notes: tuple[str, ...] = ()
    """What must be said of predictions: samples without one, columns that were not used, an assumed box space."""

    @property
    def model(self) -> str:
        """The model's name, with that of its adapter."""
        from qreal_tasks.results.model_names import name_model

        return name_model(self.run)

    @property
    def data(self) -> str:
        """The dataset's name."""
        return self.run.data

    @property
    def path(self) -> Path | None:
        """Folder of the run; None for one in memory alone."""
        return self.run.results_path.parent if self.run.results_path.name else None

    def scores(self, resamples: int = 10_000) -> ScoreTable:
        """Compute every metric from the records, with 95 % intervals from a bootstrap over images.

        Args:
            resamples: of the bootstrap; 0 for no intervals, which is faster.

        Raises:
            ValueError: records that contradict each other; names the record.
        """
        from qreal_tasks.api.scores import ScoreTable
        from qreal_tasks.results.score import score_run

        return ScoreTable.of(score_run(self.run, resamples=resamples), self.model)

    def records(self, name: str | None = None) -> list[Record]:
        """The records of all samples, or of one question or ImageQA set."""
        return [record for record in self.run.records if name in (None, record.subject)]

    def to_pandas(self, task: Literal["objectqa", "imageqa"] | None = None) -> pd.DataFrame:
        """A frame with a row for each thing that can be right or wrong.

        ObjectQA: a row for each answer. ImageQA: a row for each entity that the reference or the model marked, where
        both are in one row if they belong together; see ``api.frames`` for the columns. ``score`` reads such a frame.

        Args:
            task: that half alone, without the columns of the other; by default all that the run has.
        """
        import pandas as pd

        from qreal_tasks.api.frames import frame_of_answers, frame_of_entities

        if task not in (None, "objectqa", "imageqa"):
            raise ValueError(f"task is {task!r}, expected 'objectqa', 'imageqa' or None")
        judgments, groundings = self.run.judgments(), self.run.groundings()
        if task == "objectqa" or (task is None and not groundings):
            return frame_of_answers(judgments)
        if task == "imageqa" or not judgments:
            return frame_of_entities(groundings)
        return pd.concat([frame_of_answers(judgments), frame_of_entities(groundings)], ignore_index=True)

    def judged(self, judge: Judge) -> EvaluatedRun:
        """The run with the LLM-Scores of a judge; the folder stays as it is (``qreal judge`` changes that).

        Raises:
            StoppedRun: key, model, quota or address make every further request useless.
        """
        from qreal_tasks.judge.records import judge_records
        from qreal_tasks.records import GroundingRecord

        grounded = judge_records(self.run.groundings(), judge.judge, judge.manifest.title)
        scored = {(record.set_name, record.image_id): record for record in grounded}

        def in_place(record: Record) -> Record:
            return scored[record.subject, record.image_id] if isinstance(record, GroundingRecord) else record

        tasks = tuple(replace(task, records=tuple(map(in_place, task.records))) for task in self.run.tasks)
        return replace(self, run=replace(self.run, tasks=tasks))

    def find_differences(self) -> list[str]:
        """Where the numbers that the run reported are not those computed from its records, a line each."""
        from qreal_tasks.results.score import find_differences, score_run

        return find_differences(self.run, score_run(self.run, resamples=0))

    def to_dict(self) -> dict[str, Any]:
        """Model, data, notes, and the records as plain values."""
        from qreal_tasks.records import record_to_json

        records = [record_to_json(record) for record in self.run.records]
        return {"model": self.model, "data": self.data, "notes": list(self.notes), "records": records}

    def __repr__(self) -> str:
        judgments, groundings = len(self.run.judgments()), len(self.run.groundings())
        counts = f"{judgments:,} answers about entities, {groundings:,} about images"
        notes = f", {len(self.notes)} notes" if self.notes else ""
        return f"EvaluatedRun({self.model} on {self.data}: {counts}{notes})"


def load_run(path: str | Path, *, prompts: Literal["benchmark", "paper"] | None = None) -> EvaluatedRun:
    """Read a run from its output folder, the newest where there are several, or from its ``*_results.json``.

    Args:
        prompts: which tasks to read, where the run has those of both prompt styles.

    Raises:
        RunFolderError: there is no run, or it cannot be read.
    """
    from qreal_tasks.benchmark import Style
    from qreal_tasks.results.run_folder import newest_results, read_run

    return EvaluatedRun(read_run(newest_results(Path(path).expanduser()), Style(prompts) if prompts else None))


def score(
    predictions: Predictions,
    dataset: str | Path | None,
    model: str,
    *,
    out: str | Path | None = None,
    prompts: Literal["benchmark", "paper"] = "benchmark",
    box_space: str | None = None,
    only_answered: bool = False,
) -> EvaluatedRun:
    """Score answers that a model gave anywhere, as ``qreal score --predictions`` does.

    Args:
        predictions: one file or several (JSON lines, CSV, TSV, Parquet, XLSX, and what other harnesses write), a pandas
            frame, or mappings of columns to cells; ``docs/other-harnesses.md`` has the columns.
        dataset: hub id, ``org/name@revision``, folder, or ``"mini"``; None for what ``QREAL_DATA`` names.
        model: what to call the model.
        out: folder for the run, empty or not there; without it the run is in memory alone.
        prompts: which prompts the model was asked with, where the ids do not say it.
        box_space: in which space boxes are written, where the predictions do not say it: one of ``boxes.Space``.
        only_answered: leave out samples without a prediction, instead of counting them as unanswered.

    Raises:
        ValueError: predictions that cannot be read, are of another dataset, or contradict each other; says which.
        DatasetError: the dataset cannot be loaded.
    """
    from qreal_tasks.benchmark import Style
    from qreal_tasks.boxes import parse_space
    from qreal_tasks.console.command_line import as_folder
    from qreal_tasks.predictions.scoring import build_run, score_predictions

    arguments = (_sources(predictions), as_folder(None if dataset is None else str(dataset)), model)
    style, space = Style(prompts), parse_space(box_space) if box_space else None
    if out is None:
        found = build_run(*arguments, style=style, space=space, only_answered=only_answered)
    else:
        folder = Path(out).expanduser()
        found = score_predictions(*arguments, out=folder, style=style, space=space, only_answered=only_answered)
    return EvaluatedRun(found.run, found.notes)


def _sources(predictions: Any) -> list[Any]:
    """Files as paths, or rows."""
    from qreal_tasks.predictions.rows import PredictionRows

    given: Any = [predictions] if isinstance(predictions, str | Path) else predictions
    if isinstance(given, list | tuple) and given and all(isinstance(one, str | Path) for one in given):
        return [Path(one).expanduser() for one in given]
    return [PredictionRows(given)]
