"""``qreal demo``: the shipped model on all nine tasks, beside answers that need no model, without a download."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, Answer
from qreal_tasks.console.terminal import echo
from qreal_tasks.dataset.source import ENVIRONMENT, locate
from qreal_tasks.harness.eval_command.run import evaluate
from qreal_tasks.models.sources import SHIPPED
from qreal_tasks.predictions.asked_rows import AskedRows, load_asked_rows
from qreal_tasks.predictions.rows import PredictionRows
from qreal_tasks.predictions.scoring import score_predictions
from qreal_tasks.results.compare import compare_runs
from qreal_tasks.results.conclusion import conclude
from qreal_tasks.results.run_folder import read_run

TRIVIAL = "always Yes"
"""The run to compare with: Yes to every question, and a box around the whole of every image."""

DATA = "mini"


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration leaves."""

    model: Path
    """File of results of the shipped model."""
    trivial: Path
    """That of ``TRIVIAL``."""
    conclusion: str
    """A sentence on how the two compare."""


def run_demo(folder: Path) -> Demonstration:
    """Run the shipped model on the embedded set through ``qreal_hf``, score the trivial answers, and compare.

    Args:
        folder: gets two run folders; what an earlier demonstration left there is kept beside them.

    Raises:
        RunError: the harness left no results.
        OSError: the folder cannot be written.
    """
    os.environ[ENVIRONMENT] = DATA
    os.environ["HF_HUB_OFFLINE"] = "1"
    echo(f"{SHIPPED}, the model that ships, answers all nine tasks about {DATA}, the set that ships: about a minute.")
    model = evaluate(
        [
            *("--model", "qreal_hf", "--model_args", f"pretrained={SHIPPED},store={folder / 'answers.sqlite'}"),
            *("--batch_size", "32", "--output_path", str(folder / SHIPPED)),
        ],
        quiet=True,
    )
    echo("Done. What the harness wrote is in harness.log beside the results.")
    trivial = _score_trivial(folder / TRIVIAL.replace(" ", "-"))
    runs = [read_run(trivial), read_run(model)]
    return Demonstration(model, trivial, conclude(compare_runs(runs)))


def _score_trivial(folder: Path) -> Path:
    if folder.is_dir():  # it is always the same
        return next(folder.glob("*_results.json"))
    rows = PredictionRows(_answer_trivially(load_asked_rows(locate(DATA))))
    return score_predictions([rows], DATA, TRIVIAL, out=folder).run.results_path


def _answer_trivially(asked: AskedRows) -> Iterator[Mapping[str, Any]]:
    for name in QUESTION_NAMES:
        for entity in asked.of(name):
            yield {"entity_id": entity, "question": name, "prediction": str(Answer.YES)}
    for name in IMAGEQA_SETS:
        for image in asked.of(name):
            whole = '[{"bbox_2d": [0, 0, 1000, 1000], "label": "image", "description": ""}]'
            yield {"image_id": image, "set": name, "prediction": whole}
