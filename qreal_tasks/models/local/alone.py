"""Answers to one question at a time, from what the model's own processor gives: slow, and right for every model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from qreal_tasks.models.local.chat import AskedPicture


def compute_logits_alone(model: Any, asked: Sequence[AskedPicture]) -> torch.Tensor:
    """Logits of the first answer token for every prompt of every picture; shape (prompts in total, vocabulary)."""
    prompts = [prompt for a in asked for prompt in a.prompts]
    return torch.cat([model(**_on_device(model, prompt.inputs)).logits[:, -1] for prompt in prompts])


def generate_alone(model: Any, asked: Sequence[AskedPicture], **settings: Any) -> list[list[int]]:
    """What ``model.generate`` with these settings writes behind the first prompt of every picture."""
    written = []
    for a in asked:
        inputs = _on_device(model, a.prompts[0].inputs)
        written.append(model.generate(**inputs, **settings)[0, inputs["input_ids"].shape[1] :].tolist())
    return written


def _on_device(model: Any, inputs: Any) -> dict[str, torch.Tensor]:
    """Numbers that are no ids go along in the weights' precision."""
    weight = model.get_input_embeddings().weight
    return {
        key: value.to(weight.device, weight.dtype if value.is_floating_point() else None)
        for key, value in inputs.items()
    }
