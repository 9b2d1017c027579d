"""From pixels to an exported model and through the benchmark: what was learnt by heart is answered right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from few_rows import write_few

from qreal_tasks.benchmark import QUESTION_NAMES, Style, task_of
from training.config import TrainConfig
from training.export.export import export
from training.run.sft import train

FAMILIES = ("qwen2_5_vl", "internvl", "llava_next")


@pytest.mark.harness
@pytest.mark.parametrize("family", FAMILIES)
def test_twelve_crops_are_learnt_by_heart(
    family: str, tmp_path: Path, config: Callable[..., TrainConfig], scores: Callable[..., Any]
) -> None:
    data = write_few(tmp_path / "data", images=8, entities=12)
    recipe = config(
        family,
        data=str(data),
        batch_size=24,
        epochs=50,
        held_out={"share": 0},
    )
    exported = export(train(recipe), tmp_path / "exported")
    found = scores(exported.model_args, data, "qreal_objectqa")
    assert {name: found.objectqa[name].metrics["acc"] for name in QUESTION_NAMES} == dict.fromkeys(QUESTION_NAMES, 1.0)
    assert all(found.objectqa[name].metrics["n"] == 12 for name in QUESTION_NAMES)


@pytest.mark.harness
@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("family", FAMILIES)
def test_boxes_of_eight_images_survive_the_whole_way(
    family: str, style: Style, tmp_path: Path, config: Callable[..., TrainConfig], scores: Callable[..., Any]
) -> None:
    data = write_few(tmp_path / "data", images=8)
    recipe = config(
        family,
        task="imageqa",
        prompts=style,
        data=str(data),
        batch_size=16,
        epochs=120,
        lora={"r": 64, "alpha": 128, "dropout": 0.0},
        held_out={"share": 0},
    )
    exported = export(train(recipe), tmp_path / "exported", merge=family != "internvl")  # an adapter works too
    found = scores(exported.model_args, data, ",".join(task_of(style, name) for name in recipe.sets))
    assert found.run.style is style
    for name in recipe.sets:
        metrics = found.imageqa[name].metrics
        assert metrics["iou"] > 0.9, name
        assert metrics["f1_at_50"] == 1.0, name
        assert metrics["unparsed"] == 0, name
