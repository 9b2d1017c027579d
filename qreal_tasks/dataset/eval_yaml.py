"""``eval.yaml`` of the dataset's repository on the hub: which numbers a model repository may report for it.

The hub takes one number for each task id. So every headline, question and set is a task of its own. They stand for the
benchmark's prompts: a run that asked the paper's bare queries has no number there, because the hub would rank the two
together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.leaf_tasks import MEAN
from qreal_tasks.metrics.objectqa import OVERALL

FRAMEWORK = "lmms-eval"
"""What runs the tasks."""

NAME = "Q-Real Bench"
DESCRIPTION = (
    "Which entities of a generated image look unreal or are implausible, where they are, and why. ObjectQA asks two "
    "questions on realism and four on plausibility about every entity; ImageQA asks for the boxes and descriptions of "
    "the flawed entities of the whole image."
)


@dataclass(frozen=True)
class HubTask:
    """One number on the hub."""

    id: str
    config: str
    group: str
    """``objectqa.<question or overall>`` or ``imageqa.<set or mean>``."""
    metric: str
    about: str
    """For the notes of a reported value."""


HUB_TASKS: tuple[HubTask, ...] = (
    HubTask("objectqa", "objectqa", f"objectqa.{OVERALL}", "auc", "mean AUC of P(Yes) over six questions"),
    HubTask("imageqa", "imageqa", f"imageqa.{MEAN}", "f1_at_50", "F1 of boxes at IoU .5, mean of two sets"),
    HubTask("imageqa_joint", "imageqa", f"imageqa.{MEAN}", "joint_score", "boxes and descriptions, mean of two sets"),
    *(HubTask(f"objectqa_{name}", "objectqa", f"objectqa.{name}", "auc", "AUC of P(Yes)") for name in QUESTION_NAMES),
    *(HubTask(f"imageqa_{n}", "imageqa", f"imageqa.{n}", "f1_at_50", "F1 of boxes at IoU .5") for n in IMAGEQA_SETS),
)
"""The headlines of the board, then each question and each set."""


def write_eval_yaml(path: Path, framework: str = FRAMEWORK) -> None:
    """Write ``eval.yaml`` for the root of the dataset's repository.

    The hub checks ``evaluation_framework`` when the file is pushed, against the list in huggingface.js
    (``packages/tasks/src/eval.ts``), and then needs the dataset to be admitted as a benchmark. lmms-eval is not in
    that list yet: until it is, push this file in a commit of its own, so that a refusal holds up nothing else.

    Raises:
        OSError: it cannot be written.
    """
    import yaml

    tasks = [{"id": task.id, "config": task.config, "split": "test"} for task in HUB_TASKS]
    content = {"name": NAME, "description": DESCRIPTION, "evaluation_framework": framework, "tasks": tasks}
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100), encoding="utf-8")
