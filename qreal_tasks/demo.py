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
from qreal_tasks.files.atomic import find_free_name
from qreal_tasks.harness.backend_arguments import STORE_VARIABLE
from qreal_tasks.harness.box_space import BOX_SPACE_VARIABLE
from qreal_tasks.harness.eval_command.run import evaluate
from qreal_tasks.predictions.asked_rows import AskedRows, load_asked_rows
from qreal_tasks.predictions.rows import PredictionRows
from qreal_tasks.predictions.scoring import score_predictions
from qreal_tasks.results.compare import compare_runs
from qreal_tasks.results.conclusion import conclude
from qreal_tasks.results.run_folder import read_run
from qreal_tasks.shipped import SHIPPED

TRIVIAL = "always Yes"
"""The run to compare with: Yes to every question, and a box around the whole of every image."""

_WHOLE_IMAGE = '[{"bbox_2d": [0, 0, 1000, 1000], "label": "image", "description": ""}]'


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
    """Score the trivial answers, run the shipped model on the embedded set through ``qreal_hf``, and compare.

    Of this process, the variables that would change what is asked are set: dataset, box space, file of answers.

    Args:
        folder: gets two run folders; what an earlier demonstration left there is kept beside them.

    Raises:
        RunError: the harness left no results.
        OSError: the folder cannot be written.
    """
    for variable in (ENVIRONMENT, BOX_SPACE_VARIABLE):
        os.environ.pop(variable, None)
    os.environ |= {"HF_HUB_OFFLINE": "1", STORE_VARIABLE: str(folder / "answers.sqlite")}
    trivial = _score_trivial(find_free_name(folder / TRIVIAL.replace(" ", "-")))
    echo("The small model that ships answers all nine tasks on the drawn set that ships: about a minute.")
    model = evaluate(
        [
            *("--model", "qreal_hf", "--model_args", f"pretrained={SHIPPED}"),
            *("--batch_size", "32", "--output_path", str(folder / SHIPPED)),
        ],
        quiet=True,
    )
    echo("Done. What the harness wrote is in harness.log beside the results.")
    runs = [read_run(trivial), read_run(model)]
    return Demonstration(model, trivial, conclude(compare_runs(runs)))


def _score_trivial(folder: Path) -> Path:
    rows = PredictionRows(_answer_trivially(load_asked_rows(locate(None))))
    return score_predictions([rows], None, TRIVIAL, out=folder).run.results_path


def _answer_trivially(asked: AskedRows) -> Iterator[Mapping[str, Any]]:
    for name in QUESTION_NAMES:
        for entity in asked.of(name):
            yield {"entity_id": entity, "question": name, "prediction": str(Answer.YES)}
    for name in IMAGEQA_SETS:
        for image in asked.of(name):
            yield {"image_id": image, "set": name, "prediction": _WHOLE_IMAGE}
