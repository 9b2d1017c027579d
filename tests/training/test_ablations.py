"""The two ablations of Table 4, from training to the ordinary evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from few_rows import write_few

from training.config import TrainConfig
from training.export.export import export
from training.run.sft import train

pytestmark = [pytest.mark.slow, pytest.mark.harness]

LEARNT: dict[str, Any] = {
    "lora": {"r": 64, "alpha": 128, "dropout": 0.0},
    "learning_rate": 1e-2,
    "epochs": 60,
    "held_out": {"share": 0},
    "save_every_steps": 1000,
}


def test_three_subtask_models_run_one_after_another(
    tmp_path: Path, config: Callable[..., TrainConfig], scores: Callable[..., Any]
) -> None:
    data = write_few(tmp_path / "data", images=2)
    folders = {}
    for task, batch in (("detect", 2), ("filter", 24), ("describe", 8)):
        recipe = config(task=task, data=str(data), batch_size=batch, output=str(tmp_path / task), **LEARNT)
        folders[task] = export(train(recipe), tmp_path / f"{task}-model", merge=task == "detect").folder
    models = ",".join(f"{task}={folder}" for task, folder in folders.items())
    found = scores(models, data, "qreal_imageqa_realism,qreal_imageqa_plausibility", backend="qreal_agent")
    for name in ("realism", "plausibility"):
        assert found.imageqa[name].metrics["iou"] > 0.9, name
        assert found.imageqa[name].metrics["f1_at_50"] > 0.9, name
    run = [record for task in found.run.tasks for record in task.records]
    described = {region.description for record in run for region in record.predicted}
    references = {region.description for record in run for region in record.reference}
    assert described
    assert described <= references, "the descriptions are those that were learnt"


def test_objectqa_first_then_imageqa_on_the_same_model(
    tmp_path: Path, config: Callable[..., TrainConfig], scores: Callable[..., Any]
) -> None:
    data = write_few(tmp_path / "data", images=2)
    first = config(data=str(data), batch_size=24, output=str(tmp_path / "first"), **LEARNT | {"epochs": 5})
    adapter = train(first) / "final"
    second = config(
        task="imageqa",
        data=str(data),
        batch_size=8,
        output=str(tmp_path / "second"),
        adapter=str(adapter),
        **LEARNT,
    )
    exported = export(train(second), tmp_path / "model")
    found = scores(exported.model_args, data, "qreal_imageqa_realism,qreal_imageqa_plausibility")
    for name in ("realism", "plausibility"):
        assert found.imageqa[name].metrics["iou"] > 0.9, name
