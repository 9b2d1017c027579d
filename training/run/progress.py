"""Progress of a run for people: a bar, and lines for losses and metrics.

>>> print(format_log({"loss": 0.3127, "answer_token_accuracy": 0.91, "learning_rate": 1e-4, "epoch": 0.5}, step=20))
step 20, epoch 0.50: loss 0.3127, answer tokens right 0.910, learning rate 0.0001
>>> print(format_log({"eval_loss": 0.29, "eval_acc": 0.75, "eval_auc": 0.8, "eval_acc_realism_q1": 0.75,
...                 "eval_auc_realism_q1": 0.8, "epoch": 1.0}, step=40))
step 40, epoch 1.00, kept back: loss 0.2900, acc 0.750, auc 0.800
  realism_q1           acc 0.750  auc 0.800

Of several tasks, the name of each stands before what is its own:

>>> print(format_log({"loss": 0.3127, "objectqa_loss": 0.62, "imageqa_loss": 0.29, "epoch": 0.5}, step=20))
step 20, epoch 0.50: loss 0.3127 (objectqa 0.6200, imageqa 0.2900), learning rate 0
>>> print(format_log({"eval_loss": 0.29, "eval_mean": 0.7, "eval_objectqa_loss": 0.6, "eval_objectqa_auc": 0.8,
...                 "eval_objectqa_auc_realism_q1": 0.8, "eval_imageqa_f1_at_50": 0.6, "epoch": 1.0}, step=40))
step 40, epoch 1.00, kept back: loss 0.2900, mean 0.700
  objectqa             loss 0.6000  auc 0.800
  objectqa realism_q1  auc 0.800
  imageqa              f1_at_50 0.600
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers.trainer_callback import ProgressCallback

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from training.tasks import TASKS

_ROWS = sorted((*QUESTION_NAMES, *IMAGEQA_SETS, "detect"), key=len, reverse=True)
"""Questions and sets, whose metrics are shown in a row each; a name comes after longer ones that end in it."""

_UNSHOWN = ("runtime", "samples_per_second", "steps_per_second", "num_tokens", "entropy", "answer_token_accuracy")


class Progress(ProgressCallback):  # type: ignore[misc]
    """The bar of transformers, with its time left, and lines for people instead of dictionaries."""

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **kwargs: Any
    ) -> None:
        """Write a line, or a table after an evaluation."""
        text = format_log(logs, state.global_step) if logs else ""
        if text and state.is_world_process_zero and self.training_bar is not None:
            self.training_bar.write(text)


def format_log(logs: Mapping[str, float], step: int) -> str:
    """Format the log of a step; empty for the summary at the end, which the run's folder holds."""
    if "train_runtime" in logs:
        return ""
    when = f"step {step}, epoch {logs.get('epoch', 0):.2f}"
    if "loss" in logs:
        accuracy = logs.get("answer_token_accuracy")
        right = "" if accuracy is None else f"answer tokens right {accuracy:.3f}, "
        each = ", ".join(f"{task} {logs[key]:.4f}" for task in TASKS if (key := f"{task}_loss") in logs)
        loss = f"loss {logs['loss']:.4f}{f' ({each})' if each else ''}"
        return f"{when}: {loss}, {right}learning rate {logs.get('learning_rate', 0):.4g}"
    rows: dict[str, list[str]] = {}
    for key, value in logs.items():
        row, metric = _split_name(key.removeprefix("eval_"))
        if key.startswith("eval_") and metric not in _UNSHOWN:
            number = "N/A" if value != value else f"{value:.4f}" if metric == "loss" else f"{value:.3f}"
            texts = rows.setdefault(row, [])
            texts.insert(0 if metric == "loss" else len(texts), f"{metric} {number}")
    lines = [f"{when}, kept back: {', '.join(rows.pop('', []))}"]
    width = max(20, *map(len, rows)) if rows else 0
    return "\n".join([*lines, *(f"  {name:{width}} {'  '.join(texts)}" for name, texts in rows.items())])


def _split_name(key: str) -> tuple[str, str]:
    """Split a metric's name into the row that it is shown in, by task and question or set, and the metric.

    >>> _split_name("imageqa_auc_human_plausibility"), _split_name("auc")
    (('imageqa human_plausibility', 'auc'), ('', 'auc'))
    """
    task = next((task for task in TASKS if key.startswith(f"{task}_")), "")
    key = key.removeprefix(f"{task}_")
    name = next((name for name in _ROWS if key.endswith(f"_{name}")), "")
    return f"{task} {name}".strip(), key.removesuffix(f"_{name}")
