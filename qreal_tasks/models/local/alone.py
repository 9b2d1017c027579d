"""Answers to one question at a time, from what the model's own processor gives: slow, and right for every model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from qreal_tasks.models.local.chat import PromptTokens


def generate_alone(
    model: Any, prompt: PromptTokens, settings: Mapping[str, Any], watch: Callable[[torch.Tensor], None]
) -> None:
    """Let ``model.generate`` with these settings write behind a prompt.

    Args:
        watch: is shown the logits that each token is taken from, shape (1, vocabulary).
    """
    weight = model.get_input_embeddings().weight
    assert prompt.inputs is not None  # chat.Chat keeps them for such models
    inputs = {  # numbers that are no ids go along in the weights' precision
        key: value.to(weight.device, weight.dtype if value.is_floating_point() else None)
        for key, value in prompt.inputs.items()
    }
    model.generate(**inputs, **settings, logits_processor=LogitsProcessorList([_Watching(watch)]))


class _Watching(LogitsProcessor):  # type: ignore[misc]
    """Changes nothing."""

    def __init__(self, watch: Callable[[torch.Tensor], None]) -> None:
        self._watch = watch

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self._watch(scores)
        return scores
