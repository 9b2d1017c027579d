"""A tiny LLaVA-NeXT with a Mistral language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qreal_tasks.models.tiny.words import SMALL_TEXT_MODEL, answer_yes_or_no, metaspace_state

_TILE_SIZE = 28
_PATCH_SIZE = 7
_PINPOINTS = [[28, 56], [56, 28], [56, 56]]

# As on the hub: no BOS in the template, the tokenizer adds it.
_CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if message.role == 'assistant' -%}
{{ ' ' }}{{ message.content if message.content is string else message.content[0].text }}{{ '</s>' }}
{%- else -%}
{{ '[INST] ' }}
{%- if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{{ part.text if part.type == 'text' else '<image>\n' }}
{%- endfor -%}
{%- endif -%}
{{ ' [/INST]' }}
{%- endif -%}
{%- endfor -%}
"""


def write_tiny_llava_next(folder: Path, seed: int = 0) -> None:
    """Write model, tokenizer and processor into ``folder``, ready for ``from_pretrained``.

    Args:
        folder: made when missing; files of the same names are replaced.
        seed: of the weights.
    """
    import torch
    from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration

    tokenizer = _tokenizer()
    config = LlavaNextConfig(
        text_config={
            **SMALL_TEXT_MODEL,
            "model_type": "mistral",
            "vocab_size": len(tokenizer),
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "sliding_window": None,
            "tie_word_embeddings": False,
        },
        vision_config={
            "model_type": "clip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": _TILE_SIZE,
            "patch_size": _PATCH_SIZE,
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=_PINPOINTS,
        image_seq_length=(_TILE_SIZE // _PATCH_SIZE) ** 2,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlavaNextForConditionalGeneration(config)
        answer_yes_or_no(model, *tokenizer.convert_tokens_to_ids(["▁Yes", "▁No", "</s>"]))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    _processor(tokenizer).save_pretrained(folder)


def _tokenizer() -> Any:
    from transformers import LlamaTokenizer

    return LlamaTokenizer(
        **metaspace_state(), pad_token="<pad>", add_bos_token=True, extra_special_tokens={"image_token": "<image>"}
    )


def _processor(tokenizer: Any) -> Any:
    from transformers import LlavaNextImageProcessor, LlavaNextProcessor

    return LlavaNextProcessor(
        image_processor=LlavaNextImageProcessor(
            size={"shortest_edge": _TILE_SIZE},
            crop_size={"height": _TILE_SIZE, "width": _TILE_SIZE},
            image_grid_pinpoints=_PINPOINTS,
        ),
        tokenizer=tokenizer,
        patch_size=_PATCH_SIZE,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_CHAT_TEMPLATE,
    )
