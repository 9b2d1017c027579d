"""What the trainer logs, against cross-entropy computed from all logits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from few_rows import write_few
from transformers import AutoModelForImageTextToText

from qreal_tasks.dataset.source import locate
from qreal_tasks.models.local.chat import Chat
from qreal_tasks.models.local.prefix import as_attention_mask
from training.config import TrainConfig
from training.data.collator import Collator
from training.data.packing import IGNORED
from training.model import read_outline
from training.plan import make_plan
from training.run.sft import train
from training.run.trainer import ANSWER_ACCURACY

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", ["qwen2_5_vl", "internvl", "llava_next"])
def test_losses_and_accuracy_are_those_of_all_logits(
    family: str, attention: str, config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """The first step of a run whose one batch holds every sequence of two tasks, packed and not."""
    recipe = config(
        family,
        task=["objectqa", "imageqa"],
        data=str(write_few(tmp_path / "data", images=3, entities=4)),
        attn_implementation=attention,
        batch_size=120,
        max_steps=1,
        log_every_steps=1,
        held_out={"share": 0},
        lora={"r": 4, "dropout": 0.0},  # which is nothing yet in the first step
    )
    logged = json.loads((train(recipe) / "history.json").read_text())[0]

    plan = make_plan(recipe, locate(recipe.data), read_outline(recipe))
    model = AutoModelForImageTextToText.from_pretrained(
        recipe.model, dtype=torch.float32, attn_implementation=attention
    )
    chat = Chat(plan.outline.processor)
    collator = Collator(chat, plan.rows, model.model)
    end = chat.tokenizer.convert_tokens_to_ids(plan.outline.family.end_of_turn)
    losses: dict[str, list[float]] = {task: [] for task in recipe.tasks}
    right: list[bool] = []
    for row in plan.train:
        batch = collator([row])
        labels = batch.pop("labels")[0, 1:]
        if batch["attention_mask"].ndim == 4:
            batch["attention_mask"] = as_attention_mask(batch["attention_mask"], model)
        with torch.no_grad():
            logits = model(**batch, use_cache=False).logits[0, :-1]
        learnt = labels != IGNORED
        losses[row["task"]] += torch.nn.functional.cross_entropy(
            logits[learnt], labels[learnt], reduction="none"
        ).tolist()
        words = learnt & (labels != end)
        right += (logits.argmax(-1) == labels)[words].tolist()
    every = [loss for of_task in losses.values() for loss in of_task]
    assert logged["loss"] == pytest.approx(sum(every) / len(every), rel=1e-5)
    for task, of_task in losses.items():
        assert logged[f"{task}_loss"] == pytest.approx(sum(of_task) / len(of_task), rel=1e-5)
    assert logged[ANSWER_ACCURACY] == pytest.approx(sum(right) / len(right), abs=1e-6)
