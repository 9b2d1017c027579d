"""A tiny Qwen2.5-VL with random weights, built from the real classes: for trying the software and for tests.

It answers Yes or No at chance level. What it proves is that tokenizer, chat template, image processor, vision tower and
generation work together; about 0.2 M parameters, under 2 MB on disk, loads through the Auto classes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, imageqa_prompt, objectqa_prompt
from qreal_tasks.boxes import Space

VOCABULARY_SIZE = 512
HIDDEN_SIZE = 64

_SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

# ChatML with Qwen's image placeholder; text given as a string or as parts.
_CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'text' -%}
{{ part.text }}
{%- elif part.type == 'video' -%}
<|vision_start|><|video_pad|><|vision_end|>
{%- else -%}
<|vision_start|><|image_pad|><|vision_end|>
{%- endif -%}
{%- endfor -%}
{%- endif -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
"""


def write_tiny_qwen2_5_vl(folder: Path, seed: int = 0) -> None:
    """Write model, tokenizer and processor into ``folder``, ready for ``from_pretrained``.

    Args:
        folder: made when missing; files of the same names are replaced.
        seed: of the weights.
    """
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer = _tokenizer()
    token_id = dict(zip(_SPECIAL_TOKENS, tokenizer.convert_tokens_to_ids(list(_SPECIAL_TOKENS)), strict=True))
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": HIDDEN_SIZE,
            "intermediate_size": 2 * HIDDEN_SIZE,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 8192,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
            "bos_token_id": token_id["<|endoftext|>"],
            "eos_token_id": token_id["<|im_end|>"],
            "pad_token_id": token_id["<|endoftext|>"],
            "tie_word_embeddings": False,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": HIDDEN_SIZE,
            "fullatt_block_indexes": [1],
            "window_size": 112,
        },
        image_token_id=token_id["<|image_pad|>"],
        video_token_id=token_id["<|video_pad|>"],
        vision_start_token_id=token_id["<|vision_start|>"],
        vision_end_token_id=token_id["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(config)
        _answer_yes_or_no(model, tokenizer)
    model.generation_config.eos_token_id = [token_id["<|im_end|>"], token_id["<|endoftext|>"]]
    model.generation_config.pad_token_id = token_id["<|endoftext|>"]
    model.save_pretrained(folder)
    _processor(tokenizer).save_pretrained(folder)


def _answer_yes_or_no(model: Any, tokenizer: Any) -> None:
    """Leave the output head three words: Yes, No and, after either, end of turn.

    Random weights over a whole vocabulary write noise that no parser can read, and nothing behind the parser would
    be exercised. What decides between Yes and No stays random.
    """
    import torch

    yes, no, stop = tokenizer.convert_tokens_to_ids(["Yes", "No", "<|im_end|>"])
    head, embedding = model.lm_head.weight, model.get_input_embeddings().weight
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2 and weight is not head and weight is not embedding:
                weight.mul_(5)  # at the usual scale the picture hardly reaches the answer
        undecided, spoken = torch.linalg.qr(torch.randn(HIDDEN_SIZE, 2)).Q.T
        embedding.mul_(5)
        embedding[[yes, no]] = 1000 * spoken
        head.zero_()
        head[yes], head[no], head[stop] = 10 * undecided, -10 * undecided, 4 * spoken


def _tokenizer() -> Any:
    """Qwen's tokenizer class over a byte-level vocabulary learnt from the benchmark's own prompts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    prompts = [objectqa_prompt(name, "dog") for name in QUESTION_NAMES]
    prompts += [imageqa_prompt(name, space, 1024, 1024) for name in IMAGEQA_SETS for space in Space]
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.train_from_iterator(
        [*prompts, "Yes No yes no"],
        trainers.BpeTrainer(
            vocab_size=VOCABULARY_SIZE,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    state = json.loads(learner.to_str())["model"]
    return Qwen2Tokenizer(
        vocab=state["vocab"],
        merges=[tuple(pair) for pair in state["merges"]],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=[t for t in _SPECIAL_TOKENS if t not in ("<|im_end|>", "<|endoftext|>")],
    )


def _processor(tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=_CHAT_TEMPLATE,
    )
