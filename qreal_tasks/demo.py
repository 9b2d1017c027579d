"""``qreal demo``: the whole way from a model to a table, without a download."""

from __future__ import annotations

import os
from pathlib import Path

from qreal_tasks.dataset.source import ENVIRONMENT
from qreal_tasks.harness.eval_command.run import evaluate
from qreal_tasks.models.tiny import write_tiny_qwen2_5_vl


def run_demo(folder: Path) -> Path:
    """Build a tiny Qwen2.5-VL, run all nine tasks on the embedded set with a stock backend, return its file of results.

    Raises:
        RunError: the harness left no results.
    """
    os.environ[ENVIRONMENT] = "mini"
    os.environ["HF_HUB_OFFLINE"] = "1"
    model = folder / "tiny-qwen2.5-vl"
    write_tiny_qwen2_5_vl(model)
    return evaluate(
        [
            *("--model", "qwen2_5_vl"),
            *("--model_args", f"pretrained={model},device=cpu,device_map=cpu,min_pixels=3136"),
            *("--batch_size", "16"),
            *("--output_path", str(folder / "results")),
        ]
    )
