"""Progress of a run for people: a bar, and lines for losses and metrics.

>>> print(format_log({"loss": 0.3127, "answer_token_accuracy": 0.91, "learning_rate": 1e-4, "epoch": 0.5}, step=20))
step 20, epoch 0.50: loss 0.3127, answer tokens right 0.910, learning rate 0.0001
>>> print(format_log({"eval_loss": 0.29, "eval_acc": 0.75, "eval_auc": 0.8, "eval_acc_realism_q1": 0.75,
...                 "eval_auc_realism_q1": 0.8, "epoch": 1.0}, step=40))
step 40, epoch 1.00, kept back: loss 0.2900, acc 0.750, auc 0.800
  realism_q1           acc 0.750  auc 0.800
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers.trainer_callback import ProgressCallback

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES

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
        return f"{when}: loss {logs['loss']:.4f}, {right}learning rate {logs.get('learning_rate', 0):.4g}"
    found = {key.removeprefix("eval_"): value for key, value in logs.items() if key.startswith("eval_")}
    rows: dict[str, list[str]] = {}
    means = []
    for key, value in found.items():
        row = next((name for name in _ROWS if key.endswith(f"_{name}")), None)
        number = "N/A" if value != value else f"{value:.4f}" if key == "loss" else f"{value:.3f}"
        if row:
            rows.setdefault(row, []).append(f"{key.removesuffix(f'_{row}')} {number}")
        elif key not in _UNSHOWN:
            means.append(f"{key} {number}")
    lines = [f"{when}, kept back: {', '.join(means)}"]
    return "\n".join([*lines, *(f"  {name:20} {'  '.join(texts)}" for name, texts in rows.items())])
