"""Q-Eval-Score, or any other image-text-to-text model tuned to answer with one of five level words.

    scorer = QEvalScore(Quality(scorer="q-eval-score", model="AGI-Eval-Official/Q-Eval-Score"))
    probabilities = scorer.levels([crop])

The model was tuned on whole images and the paper does not print its question about crops: both the model and the
prompt go into every row. The licence of the published weights is not stated with them; it is for the user to judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from annotation.config import QualitySettings
from annotation.errors import AnnotationError
from annotation.llm.prompts import load_prompt
from annotation.llm.replies import LEVELS
from qreal_tasks.models.local.weights.devices import compute_on, describe_model, explain_model_errors, resolve_device
from qreal_tasks.models.local.weights.loading import limit_pictures, load_model


class QEvalScore:
    """The model in evaluation mode.

    Raises:
        LocalModelError: there is no such checkpoint, or it is of another kind.
        AnnotationError: a level is not one token of its vocabulary.
    """

    def __init__(self, settings: QualitySettings) -> None:
        self._batch_size = settings.batch_size
        with explain_model_errors(
            "quality.model", settings.model, QualitySettings().model, "an image-text-to-text model"
        ):
            loaded = load_model(
                settings.model,
                adapter=None,
                merge_adapter=False,
                revision=settings.revision,
                dtype=settings.dtype,
                device=str(resolve_device(settings.device)),
                device_map=None,
                attn_implementation=None,
            )
            limit_pictures(loaded.processor, max_pixels=settings.max_pixels)
        self._model, self._processor, self._device = loaded.model, loaded.processor, loaded.device
        self._processor.tokenizer.padding_side = "left"  # the next token of every row is then at the same place
        self._level_ids = find_level_tokens(self._processor.tokenizer, settings.model)
        self._prompt = load_prompt(settings.prompt)
        self.name = describe_model(settings.model, settings.revision, self._model)

    def levels(self, images: Sequence[Image.Image]) -> list[list[float]]:
        """Probabilities of the five levels for every image: softmax over the logits of their tokens alone."""
        # Alike sizes together, or most of a batch is padding.
        order = sorted(range(len(images)), key=lambda at: images[at].width * images[at].height)
        found: list[list[float]] = [[] for _ in images]
        for start in range(0, len(order), self._batch_size):
            places = order[start : start + self._batch_size]
            for at, levels in zip(places, self._forward([images[at] for at in places]), strict=True):
                found[at] = levels
        return found

    def _forward(self, images: list[Image.Image]) -> list[list[float]]:
        text = self._processor.apply_chat_template(self._messages(), tokenize=False, add_generation_prompt=True)
        with compute_on(self._device), torch.inference_mode():
            inputs: Any = self._processor(text=[text] * len(images), images=images, padding=True, return_tensors="pt")
            logits = self._model(**inputs.to(self._device), logits_to_keep=1).logits[:, -1]
            found: list[list[float]] = logits[:, self._level_ids].float().softmax(dim=-1).cpu().tolist()
        return found

    def _messages(self) -> list[dict[str, Any]]:
        asked = [{"type": "image"}, {"type": "text", "text": self._prompt.fill().strip()}]
        return [
            {"role": "system", "content": [{"type": "text", "text": self._prompt.system.strip()}]},
            {"role": "user", "content": asked},
        ]


def find_level_tokens(tokenizer: Any, model: str) -> list[int]:
    """The token of each level.

    Raises:
        AnnotationError: a level is several tokens: its first one would be scored for another word.
    """
    found = [tokenizer.encode(level, add_special_tokens=False) for level in LEVELS]
    for level, tokens in zip(LEVELS, found, strict=True):
        if len(tokens) != 1:
            raise AnnotationError(
                f"quality.model {model}: {level!r} is {len(tokens)} tokens, expected one; it is no model that was "
                "tuned to answer with level words, or its tokenizer was changed"
            )
    return [tokens[0] for tokens in found]
