"""What a model can be trained to do, as data: the pictures that a task shows, and the kind of answer that it learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TaskName = Literal["objectqa", "imageqa", "detect", "filter", "describe"]


@dataclass(frozen=True)
class AnswerKind:
    """How answers of one kind are learnt and scored."""

    packs: bool
    """Whether the questions about a picture share a sequence unless the config says otherwise."""
    metrics: tuple[str, ...]
    """What is measured on the prompts that are kept back, the loss apart; none where only a judge could tell."""
    best: str
    """The metric that chooses the best checkpoint unless the config says otherwise."""


CHOICE = AnswerKind(True, ("acc", "auc"), "auc")
"""Yes or No."""
BOXES = AnswerKind(
    False, ("iou", "detection_rate", "auc", "f1_at_50", "recall_at_50", "false_alarm", "unparsed"), "f1_at_50"
)
"""Entities with their boxes."""
TEXT = AnswerKind(False, (), "loss")
"""A description."""


@dataclass(frozen=True)
class Task:
    """One thing to be learnt."""

    rows: Literal["objectqa", "imageqa"]
    """The config of the dataset whose rows it shows: entities' crops or whole images."""
    answers: AnswerKind
    half: Literal["objectqa", "imageqa"]
    """The half of the benchmark that scores it."""


TASKS: Mapping[str, Task] = {
    "objectqa": Task("objectqa", CHOICE, "objectqa"),
    "imageqa": Task("imageqa", BOXES, "imageqa"),
    "detect": Task("imageqa", BOXES, "imageqa"),
    "filter": Task("objectqa", CHOICE, "imageqa"),
    "describe": Task("objectqa", TEXT, "imageqa"),
}
"""By the name that a recipe gives."""

MEAN = "mean"
"""Metric of a run of several tasks: the mean over them of what would choose the best checkpoint of each alone."""
