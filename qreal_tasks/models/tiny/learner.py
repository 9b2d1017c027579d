"""A Qwen2.5-VL that is small enough to learn the embedded set's tasks in minutes on two CPU cores.

It is the real model class with random weights, tokenizer and processor, like the other tiny models, and differs from
them in what lets so small a model learn from a few thousand pictures:

- its tokenizer knows the words that ``qreal_tasks.mini`` can write, and writes what is fixed as one token each: the
  benchmark's sentences, the JSON around an entity, and every whole number that a box of its pictures can hold;
- its weights start at a scale at which the picture reaches the answer, and neighbouring numbers start alike, so that
  what is learnt of a box that ends at 100 holds for one that ends at 102;
- its rotary frequencies suit grids of six by six picture tokens;
- its pictures are 16 to 36 tokens.

No text is changed by this: every prompt and every answer decodes to itself. What it learns says nothing about models
that have seen the world.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, Dimension, imageqa_prompt, objectqa_prompt
from qreal_tasks.boxes import Space
from qreal_tasks.mini.plan import plan_images
from qreal_tasks.mini.words import describe_entity
from qreal_tasks.models.tiny.parts import learn_byte_level_vocabulary
from qreal_tasks.models.tiny.qwen import build_tokenizer, write_qwen2_5_vl
from qreal_tasks.subtasks import detect_prompt

_PIXELS_PER_TOKEN = 28**2
_PICTURE_TOKENS = 16, 36
"""Fewest and most; the embedded set's images of 224 x 224 px are fed at 168 x 168 px."""
_LARGEST_NUMBER = 224

_HIDDEN_SIZE = 128
_TEXT: dict[str, Any] = {
    "hidden_size": _HIDDEN_SIZE,
    "intermediate_size": 2 * _HIDDEN_SIZE,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 8192,
    # At the usual 1e4 the columns of a grid of six would hardly differ in phase.
    "rope_parameters": {"rope_type": "default", "rope_theta": 3.0, "mrope_section": [4, 6, 6]},
}
_VISION: dict[str, Any] = {
    "depth": 3,
    "hidden_size": 96,
    "intermediate_size": 192,
    "num_heads": 4,
    "out_hidden_size": _HIDDEN_SIZE,
    "fullatt_block_indexes": [0, 1, 2],
    "window_size": 112,
    # Likewise for twelve by twelve patches.
    "rope_parameters": {"rope_type": "axial", "rope_theta": 30.0},
}
_EMBEDDING_STD = 0.5
_HEAD_STD = 0.05
_ALIKE = 6.0
"""Standard deviation, in numbers, of the bell over which neighbours share their first weights."""

_VOCABULARY_SIZE = 1400
_PLANNED_IMAGES = 1000
"""Planned, not drawn, for the words of the descriptions."""
_JSON = ('[{"bbox_2d": [', '], "label": "', '", "description": "', '"}, {"bbox_2d": [', '"}]', ", ")
"""What ``json.dumps`` writes around an entity's box, label and description."""


def write_learner_qwen2_5_vl(folder: Path, seed: int = 0) -> None:
    """Write model, tokenizer and processor into ``folder``, ready for ``from_pretrained``.

    Args:
        folder: made when missing; files of the same names are replaced.
        seed: of the weights.
    """
    pixels = tuple(tokens * _PIXELS_PER_TOKEN for tokens in _PICTURE_TOKENS)
    write_qwen2_5_vl(folder, _TEXT, _VISION, seed, tokenizer=_tokenizer(), start=_start, pixels=(pixels[0], pixels[1]))


def _start(model: Any, tokenizer: Any) -> None:
    """Random weights of such a scale that every layer passes on about what it gets."""
    import torch

    head, embedding = model.lm_head.weight, model.get_input_embeddings().weight
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim >= 2:
                weight.normal_(0, 1 / math.sqrt(weight[0].numel()))
        numbers = tokenizer.convert_tokens_to_ids(_numbers())
        for weight, std in ((embedding, _EMBEDDING_STD), (head, _HEAD_STD)):
            weight.normal_(0, std)
            weight[numbers] = std * _smooth(len(numbers), weight.shape[1])


def _smooth(rows: int, columns: int) -> Any:
    """Random numbers of mean 0 and variance 1 that change slowly from row to row.

    ``s_i = Σ_k b_ik · g_k / sqrt(Σ_k b_ik²)`` with ``b_ik = exp(-(i - k)² / 2σ²)``, independent normal ``g_k`` and σ
    as ``_ALIKE``; k also runs beyond the rows at either end.
    """
    import torch

    beyond = math.ceil(4 * _ALIKE)
    distance = torch.arange(-beyond, rows + beyond)[None, :] - torch.arange(rows)[:, None]
    bell = torch.exp(-((distance / _ALIKE) ** 2) / 2)
    return (bell / bell.norm(dim=1, keepdim=True)) @ torch.randn(bell.shape[1], columns)


def _tokenizer() -> Any:
    """Qwen's tokenizer class, with numbers and fixed texts as tokens that are not special: they stay when decoding."""
    from tokenizers import AddedToken

    tokenizer = build_tokenizer(learn_byte_level_vocabulary(_descriptions(), _VOCABULARY_SIZE))
    known = tokenizer.get_vocab()
    fixed = [*_numbers(), *_JSON, *_sentences()]
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in fixed if text not in known])
    return tokenizer


def _numbers() -> list[str]:
    return [str(number) for number in range(_LARGEST_NUMBER + 1)]


@functools.cache
def _descriptions() -> tuple[str, ...]:
    """Labels and descriptions as they stand in answers."""
    plans = plan_images(_PLANNED_IMAGES, seed=0, portrait_share=0.25, test_share=0.4)
    entities = [entity for plan in plans for entity in plan.entities]
    return tuple(
        f'"label": "{entity.label}", "description": "{describe_entity(entity, dimension)}"'
        for entity in entities
        for dimension in Dimension
    )


def _sentences() -> Sequence[str]:
    """The lines of the prompts."""
    objectqa = [line for name in QUESTION_NAMES for line in objectqa_prompt(name).split("\n")]
    space, side = Space.RESIZED_PIXELS, _LARGEST_NUMBER
    whole = [imageqa_prompt(name, space, side, side) for name in IMAGEQA_SETS] + [detect_prompt(space, side, side)]
    lines = [*objectqa, *(line for prompt in whole for line in prompt.split("\n"))]
    return list(dict.fromkeys(line for line in lines if len(line) > 1))
