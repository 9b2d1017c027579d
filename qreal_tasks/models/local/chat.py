"""A picture and questions about it, as token ids: the picture is processed once, whatever the number of questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from qreal_tasks.answers import Reason, extract_answer_text
from qreal_tasks.models.local.pictures import PictureStep

_MARK_CHARACTERS = 64
"""At the end of a prompt, among which a mark that opens reasoning is looked for."""
_TEXTS_KEPT = 4096
"""Prompts, with or without answer, whose tokens are kept: the same few questions are asked about every picture. As many
sizes of pictures, with the tokens that stand for such a one."""
_SEQUENCE_KEYS = frozenset({"input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids"})


@dataclass(frozen=True)
class PromptTokens:
    """One question after the chat template, placeholders expanded to one token per image feature."""

    ids: list[int]
    types: list[int] | None
    """Text 0, picture 1, for the families whose positions depend on it."""
    inputs: dict[str, torch.Tensor] | None = None
    """All that the processor gives for a batch of this prompt alone, where it is asked alone."""


@dataclass(frozen=True)
class AskedPicture:
    """One picture and the prompts about it."""

    picture: dict[str, torch.Tensor]
    """What the vision tower takes: ``pixel_values`` and, by family, grid or sizes."""
    prompts: list[PromptTokens]
    input_size: tuple[int, int]
    """Width and height in pixels that the model was fed; in families that cut tiles, of the picture before that."""

    @property
    def shared_length(self) -> int:
        """Tokens that all prompts begin with, at most all but one of the shortest."""
        return count_shared([prompt.ids for prompt in self.prompts])


def count_shared(rows: Sequence[Sequence[int]]) -> int:
    """Tokens that all rows begin with, at most all but one of the shortest."""
    most = min(map(len, rows)) - 1
    first, last = min(map(list, rows)), max(map(list, rows))  # what the extremes share in lexical order, all share
    return next((at for at in range(most) if first[at] != last[at]), most)


class Chat:
    """A processor's chat template.

    Args:
        processor: of a transformers image-text-to-text model.
        alone: every prompt keeps all that the processor gives for it.
    """

    def __init__(self, processor: Any, alone: bool = False) -> None:
        self.processor = processor
        self.alone = alone
        self.tokenizer = processor.tokenizer
        self._kept: dict[tuple[str, str], tuple[int, ...]] = {}
        self._step = PictureStep(processor)
        self._blocks: dict[tuple[int, ...], PromptTokens] = {}
        self._follows_grid = False

    def ask(self, image: Image.Image, texts: Sequence[str]) -> AskedPicture:
        """Process ``image`` once and tokenise every text behind it.

        Args:
            image: mode RGB.

        Raises:
            ValueError: a text holds the placeholder of a picture, or the processor refuses the image.
        """
        for text in texts:
            if self.processor.image_token in text:
                raise ValueError(f"the question holds the picture's placeholder {self.processor.image_token}")
        picture, block = self._processed_like_another(image)
        prompts = []
        if picture is None or block is None:
            picture, first = self._processed(image, texts[0])
            block = None if self.alone else self._picture_block(first, self.plain_ids(texts[0]))
            prompts = [first]
            if block is not None:
                self._keep_block(picture, image, block)
        for text in texts[len(prompts) :]:
            if block is None:
                prompts.append(self._processed(image, text)[1])
            else:
                prompts.append(self._expanded(self.plain_ids(text), block))
        return AskedPicture(picture, prompts, self._input_size(picture, image))

    def rendered(self, text: str) -> str:
        """The prompt as text, placeholders not expanded."""
        return str(self.processor.apply_chat_template(_messages(text), tokenize=False, add_generation_prompt=True))

    def opened_reasoning(self, text: str) -> str:
        """The end of the prompt from the mark that opens reasoning; empty when it opens none, or closes it again."""
        rendered = self.rendered(text)
        for start in range(len(rendered) - 1, max(0, len(rendered) - _MARK_CHARACTERS) - 1, -1):
            if extract_answer_text(rendered[start:]).reason is Reason.UNFINISHED_REASONING:
                return rendered[start:]
        return ""

    def answer_ids(self, text: str, answer: str) -> list[int]:
        """Token ids of ``answer`` as they follow the prompt of ``text``: what a model is to write there.

        Tokenised together with the prompt: alone, some tokenizers begin an answer with a token of its own (a lone
        ``▁``) that never follows a prompt.

        Raises:
            ValueError: the tokenizer joins the end of the prompt with the answer, so that no token begins it.
        """
        prompt, whole = self._tokens(text), self._tokens(text, answer)
        if whole[: len(prompt)] != prompt or len(whole) == len(prompt):
            raise ValueError(
                f"the tokenizer does not keep the prompt's tokens in front of the answer {answer[:40]!r}; "
                "a model trained on such tokens would not be asked with them"
            )
        return list(whole[len(prompt) :])

    def plain_ids(self, text: str) -> list[int]:
        """Tokens of the prompt with one placeholder for the picture."""
        return list(self._tokens(text))

    def picture_tokens(self, width: int, height: int) -> int:
        """Tokens that take the placeholder's place for a picture of this size, without processing one."""
        counted: list[int] = self.processor._get_num_multimodal_tokens(image_sizes=[(height, width)]).num_image_tokens
        return counted[0]

    def _processed(self, image: Image.Image, text: str) -> tuple[dict[str, torch.Tensor], PromptTokens]:
        """The family's own way from a message to inputs."""
        inputs = _apply_template(self.processor, image, text)
        types = inputs.get("mm_token_type_ids")
        kept = dict(inputs) if self.alone else None
        prompt = PromptTokens(inputs["input_ids"][0].tolist(), None if types is None else types[0].tolist(), kept)
        return _without_text(inputs), prompt

    def _processed_like_another(self, image: Image.Image) -> tuple[dict[str, torch.Tensor] | None, PromptTokens | None]:
        """The inputs of the vision tower, and the tokens that stand for them, when a picture that is laid out alike was
        processed before."""
        if not self._follows_grid and image.size not in self._blocks:
            return None, None
        picture = self._step(image)
        return picture, None if picture is None else self._blocks.get(_layout(picture, image))

    def _keep_block(self, picture: dict[str, torch.Tensor], image: Image.Image, block: PromptTokens) -> None:
        """Keep the tokens of a picture for others that are laid out alike."""
        self._step.learn(image, lambda processor: _without_text(_apply_template(processor, image, "?")))
        if len(self._blocks) >= _TEXTS_KEPT:
            self._blocks.clear()
        self._blocks[_layout(picture, image)] = block
        self._follows_grid = "image_grid_thw" in picture

    def _tokens(self, text: str, answer: str = "") -> tuple[int, ...]:
        """Tokens of the prompt and, behind it, the answer. BOS comes from the template or from the tokenizer."""
        kept = self._kept.get((text, answer))
        if kept is None:
            rendered, bos = self.rendered(text), self.tokenizer.bos_token
            begins = bos is not None and rendered.startswith(bos)
            kept = tuple(self.tokenizer(rendered + answer, add_special_tokens=not begins)["input_ids"])
            if len(self._kept) >= _TEXTS_KEPT:
                self._kept.clear()
            self._kept[text, answer] = kept
        return kept

    def _picture_block(self, prompt: PromptTokens, plain: list[int]) -> PromptTokens | None:
        """What the processor put in the placeholder's place; None when the rest is not as it was."""
        if plain.count(self.processor.image_token_id) != 1:
            return None
        at = plain.index(self.processor.image_token_id)
        end = len(prompt.ids) - (len(plain) - at - 1)
        if prompt.ids[:at] != plain[:at] or prompt.ids[end:] != plain[at + 1 :]:
            return None
        return PromptTokens(prompt.ids[at:end], prompt.types and prompt.types[at:end])

    def _expanded(self, plain: list[int], block: PromptTokens) -> PromptTokens:
        at = plain.index(self.processor.image_token_id)
        rest = len(plain) - at - 1
        types = None if block.types is None else [0] * at + block.types + [0] * rest
        return PromptTokens(plain[:at] + block.ids + plain[at + 1 :], types)

    def _input_size(self, picture: dict[str, torch.Tensor], image: Image.Image) -> tuple[int, int]:
        grid = picture.get("image_grid_thw")
        if grid is None:
            return image.size
        patch = self.processor.image_processor.patch_size
        _, rows, columns = grid[0].tolist()
        return columns * patch, rows * patch


def _messages(text: str, image: Image.Image | None = None) -> list[dict[str, Any]]:
    shown = {"type": "image"} if image is None else {"type": "image", "image": image}
    return [{"role": "user", "content": [shown, {"type": "text", "text": text}]}]


def _apply_template(processor: Any, image: Image.Image, text: str) -> Any:
    return processor.apply_chat_template(
        _messages(text, image), tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )


def _without_text(inputs: Any) -> dict[str, torch.Tensor]:
    return {key: value for key, value in inputs.items() if key not in _SEQUENCE_KEYS}


def _layout(picture: dict[str, torch.Tensor], image: Image.Image) -> tuple[int, ...]:
    """What the tokens of a picture depend on: its grid of patches, where there is one, or its size."""
    grid = picture.get("image_grid_thw")
    return image.size if grid is None else tuple(grid[0].tolist())
