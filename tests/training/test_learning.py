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

pytestmark = [pytest.mark.slow, pytest.mark.harness]

STYLES = {"qwen2_5_vl": Style.BENCHMARK, "internvl": Style.PAPER, "llava_next": Style.BENCHMARK}
"""One style for each family. A style is the words of a question and of its answer, a family what becomes of words and
pixels; ``test_sft.py`` asks every family in every style what was learnt, and reads what was to be written."""
LAST_ONLY: dict[str, Any] = {"held_out": {"share": 0}, "save_every_steps": 1000}


@pytest.mark.parametrize("family", STYLES)
def test_six_crops_are_learnt_by_heart(
    family: str, tmp_path: Path, config: Callable[..., TrainConfig], scores: Callable[..., Any]
) -> None:
    data = write_few(tmp_path / "data", images=4, entities=6)
    recipe = config(
        family,
        data=str(data),
        batch_size=24,
        epochs=40,
        **LAST_ONLY,
    )
    exported = export(train(recipe), tmp_path / "exported")
    found = scores(exported.model_args, data, "qreal_objectqa")
    assert {name: found.objectqa[name].metrics["acc"] for name in QUESTION_NAMES} == dict.fromkeys(QUESTION_NAMES, 1.0)
    assert all(found.objectqa[name].metrics["n"] == 6 for name in QUESTION_NAMES)


@pytest.mark.parametrize(("family", "style"), STYLES.items())
def test_boxes_of_two_images_survive_the_whole_way(
    family: str, style: Style, tmp_path: Path, config: Callable[..., TrainConfig], scores: Callable[..., Any]
) -> None:
    """One family learns the six questions about the entities' crops in the same run."""
    both = family == "qwen2_5_vl"
    data = write_few(tmp_path / "data", images=2)
    recipe = config(
        family,
        task=["objectqa", "imageqa"] if both else "imageqa",
        prompts=style,
        data=str(data),
        batch_size=48 if both else 8,
        epochs=60,
        learning_rate=1e-2,
        lora={"r": 64, "alpha": 128, "dropout": 0.0},
        **LAST_ONLY,
    )
    exported = export(train(recipe), tmp_path / "exported", merge=family != "internvl")  # an adapter works too
    names = (*QUESTION_NAMES, *recipe.sets) if both else recipe.sets
    found = scores(exported.model_args, data, ",".join(task_of(style, name) for name in names))
    assert found.run.style is style
    for name in QUESTION_NAMES if both else ():
        assert found.objectqa[name].metrics["acc"] == 1.0, name
    for name in recipe.sets:
        metrics = found.imageqa[name].metrics
        assert metrics["iou"] > 0.9, name
        assert metrics["f1_at_50"] == 1.0, name
        assert metrics["unparsed"] == 0, name
