"""What a run says of itself beside its progress bar.

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

_ROWS = (
    *QUESTION_NAMES,
    "human_plausibility",
    *(name for name in IMAGEQA_SETS if name != "human_plausibility"),
    "detect",
)
"""What a metric may be of by itself; a name comes after those that end in it."""

_EVALUATION = "eval_"
_UNSHOWN = ("runtime", "samples_per_second", "steps_per_second", "num_tokens", "entropy")


class Progress(ProgressCallback):  # type: ignore[misc]
    """The bar of transformers, with its time left, and lines for people instead of dictionaries."""

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **kwargs: Any
    ) -> None:
        """Write a line, or a table after an evaluation."""
        if state.is_world_process_zero and self.training_bar is not None and logs:
            text = format_log(logs, state.global_step)
            if text:
                self.training_bar.write(text)


def format_log(logs: Mapping[str, float], step: int) -> str:
    """The log of a step; empty for the summary at the end, which the run's folder holds."""
    if "train_runtime" in logs:
        return ""
    when = f"step {step}, epoch {logs.get('epoch', 0):.2f}"
    if "loss" in logs:
        said = [f"loss {logs['loss']:.4f}"]
        if "answer_token_accuracy" in logs:
            said.append(f"answer tokens right {logs['answer_token_accuracy']:.3f}")
        said.append(f"learning rate {logs.get('learning_rate', 0):.4g}")
        return f"{when}: {', '.join(said)}"
    found = {key.removeprefix(_EVALUATION): value for key, value in logs.items() if key.startswith(_EVALUATION)}
    rows: dict[str, list[str]] = {}
    means = []
    for key, value in found.items():
        row = next((name for name in _ROWS if key.endswith(f"_{name}")), None)
        number = "N/A" if value != value else f"{value:.4f}" if key == "loss" else f"{value:.3f}"
        if row:
            rows.setdefault(row, []).append(f"{key.removesuffix(f'_{row}')} {number}")
        elif key not in _UNSHOWN and key != "answer_token_accuracy":
            means.append(f"{key} {number}")
    lines = [f"{when}, kept back: {', '.join(means)}"]
    return "\n".join([*lines, *(f"  {name:20} {'  '.join(texts)}" for name, texts in rows.items())])
