"""The slow and plain way to ask a model: one question at a time, no padding, no sharing, all logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor


class Plain:
    """A model of a folder."""

    def __init__(self, folder: Path) -> None:
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()

    def inputs(self, image: Image.Image, text: str) -> Any:
        content = [{"type": "image", "image": image}, {"type": "text", "text": text}]
        return self.processor.apply_chat_template(
            [{"role": "user", "content": content}],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        )

    @torch.inference_mode()
    def first_token(self, image: Image.Image, text: str) -> np.ndarray:
        """Probabilities of the first answer token over the vocabulary."""
        logits: torch.Tensor = self.model(**self.inputs(image, text)).logits
        return logits[0, -1].double().softmax(-1).numpy()

    @torch.inference_mode()
    def generated(self, image: Image.Image, text: str, max_new_tokens: int) -> list[int]:
        inputs = self.inputs(image, text)
        written: torch.Tensor = self.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        tokens: list[int] = written[0, inputs["input_ids"].shape[1] :].tolist()
        return tokens


def talkative(folder: Path, seed: int = 0) -> None:
    """Give the model of ``folder`` a random output head, so that every token has a probability of its own."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model.lm_head.weight.normal_(0, 0.3)
    model.save_pretrained(folder)


def picture(width: int, height: int, seed: int) -> Image.Image:
    """Coloured blotches."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
