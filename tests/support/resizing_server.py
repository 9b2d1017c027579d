"""A model behind a server that resizes pictures as vLLM does for Qwen2.5-VL, and writes boxes in its own pixels.

    with ScriptedServer(ResizingModel({1: [(0.1, 0.2, 0.5, 0.6)]})) as server:
        ...  # asked about picture(1, (640, 480)), it answers with [64, 96, 320, 288] times what its resizing made of it

It knows a picture by its colour, which no resizing changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

from qreal_tasks.llm.scripted_server import Asked, Reply, completion, error

Fractions = tuple[float, float, float, float]
"""x1, y1, x2, y2 over width and height."""

TEXT_TOKENS = 37
"""What all of a prompt beside the picture takes."""


_BLUE = 50
"""Marks the pictures that are known."""


def picture(number: int, size: tuple[int, int]) -> Image.Image:
    """Picture ``number``, which is above 0: 0 is black, and white is nobody's."""
    return Image.new("RGB", size, (number % 200, number // 200, _BLUE))


def number_of(image: Image.Image) -> int:
    """Which picture it is; 0 for any other."""
    red, green, blue = image.convert("RGB").crop((0, 0, 1, 1)).tobytes()
    return red + 200 * green if blue == _BLUE else 0


@dataclass
class ResizingModel:
    """Answers requests about ``picture(number, …)`` with the boxes of ``number``."""

    boxes: Mapping[int, Sequence[Fractions]]
    min_pixels: int = 3136
    max_pixels: int = 12845056
    factor: int = 28
    counts: Literal["vllm", "sglang", "dashscope", "prompt", "nothing"] = "vllm"
    """How it tells the tokens of a picture."""

    def __call__(self, asked: Asked) -> Reply:
        # Loads torch, which tests that only list models do without.
        from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

        image = asked.image
        try:
            height, width = smart_resize(image.height, image.width, self.factor, self.min_pixels, self.max_pixels)
        except ValueError as refused:  # an aspect ratio above 200
            return error(400, str(refused))
        result = [
            {
                "bbox_2d": [a * side for a, side in zip(box, (width, height, width, height), strict=True)],
                "label": "dog",
                "description": "It has five legs.",
            }
            for box in self.boxes.get(number_of(image), ())
        ]
        top = {"Yes": 0.9, "No": 0.1} if asked.body.get("logprobs") else None
        text = "Yes" if top else json.dumps(result)
        return completion(text, top, usage=self._usage(width * height // self.factor**2))

    def _usage(self, tokens: int) -> dict[str, Any]:
        if self.counts == "nothing":
            return {"prompt_tokens": 0}
        usage: dict[str, Any] = {"prompt_tokens": TEXT_TOKENS + tokens, "completion_tokens": 1}
        if self.counts == "vllm":
            usage["prompt_tokens_details"] = {"cached_tokens": None, "multimodal_tokens": {"image": tokens}}
        elif self.counts in ("sglang", "dashscope"):
            usage["prompt_tokens_details"] = {"image_tokens": tokens + 2 * (self.counts == "dashscope")}
        return usage


def models_list(*entries: Mapping[str, Any]) -> Reply:
    """What ``GET /v1/models`` answers."""
    return Reply({"object": "list", "data": [{"object": "model", **entry} for entry in entries]})
