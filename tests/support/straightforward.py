"""The slow and plain way to ask a model: one question at a time, no padding, no sharing, all logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from qreal_tasks.benchmark import QUESTION_NAMES, objectqa_prompt
from qreal_tasks.text.token_text import normalise_token


class Written(NamedTuple):
    """A greedy answer."""

    prompt_tokens: int
    ids: list[int]
    """With the token that ended it, if one did."""
    p: np.ndarray
    """Probabilities over the vocabulary that each token was taken from, shape (tokens, vocabulary)."""


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
    def write(self, image: Image.Image, text: str, max_new_tokens: int) -> Written:
        inputs = self.inputs(image, text)
        settings = {"max_new_tokens": max_new_tokens, "do_sample": False}
        found = self.model.generate(**inputs, **settings, return_dict_in_generate=True, output_logits=True)
        p = torch.cat(found.logits).double().softmax(-1).numpy()
        prompt_tokens = inputs["input_ids"].shape[1]
        return Written(prompt_tokens, found.sequences[0, prompt_tokens:].tolist(), p)

    def generated(self, image: Image.Image, text: str, max_new_tokens: int) -> list[int]:
        return self.write(image, text, max_new_tokens).ids

    @property
    def stops(self) -> set[int]:
        """Tokens that end an answer."""
        return set(np.atleast_1d(self.model.generation_config.eos_token_id).tolist())


def talkative(folder: Path, seed: int = 0, ends: float = 1e4) -> None:
    """Give the tiny model of ``folder`` an output head by which every token has a probability of its own.

    It mostly begins with Yes or No, however spelled, and ends its turn then, or only now and then with ``ends`` near 1.
    """
    plain = Plain(folder)
    model, tokenizer = plain.model, plain.processor.tokenizer
    spelled = [at for token, at in tokenizer.get_vocab().items() if normalise_token(token) in ("yes", "no")]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        asked = [plain.inputs(picture(90, 60, at), objectqa_prompt(name)) for at, name in enumerate(QUESTION_NAMES)]
        usual = torch.stack([model.model(**inputs).last_hidden_state[0, -1] for inputs in asked]).mean(0)
        head, embedding = model.lm_head.weight, model.get_input_embeddings().weight
        answered = head[tokenizer.eos_token_id] / head[tokenizer.eos_token_id].norm()
        embedding[spelled] = ends * embedding.norm(dim=1).median() * answered
        head.normal_(0, 0.1)
        head[spelled] += 6 * usual / usual.norm() ** 2
        head[tokenizer.eos_token_id] = answered - (answered @ usual) / usual.norm() ** 2 * usual
    model.save_pretrained(folder)


def picture(width: int, height: int, seed: int) -> Image.Image:
    """Coloured blotches."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
