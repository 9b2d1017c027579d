"""Writer of a tiny LLaVA-NeXT with a Mistral language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qreal_tasks.models.tiny.parts import SMALL_TEXT_MODEL, learn_metaspace_vocabulary, read_template, write_model

_TILE_SIZE = 28
_PATCH_SIZE = 7
_PINPOINTS = [[28, 56], [56, 28], [56, 56]]


def write_tiny_llava_next(folder: Path, seed: int = 0) -> None:
    """Write model, tokenizer and processor into ``folder``, ready for ``from_pretrained``.

    Args:
        folder: made when missing; files of the same names are replaced.
        seed: of the weights.
    """
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
    write_model(folder, LlavaNextForConditionalGeneration, config, tokenizer, seed, stops=tokenizer.eos_token_id)
    _processor(tokenizer).save_pretrained(folder)


def _tokenizer() -> Any:
    from transformers import LlamaTokenizer

    return LlamaTokenizer(
        **learn_metaspace_vocabulary(),
        pad_token="<pad>",
        add_bos_token=True,
        extra_special_tokens={"image_token": "<image>"},
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
        chat_template=read_template("llava"),  # as on the hub: no BOS in it, the tokenizer adds it
    )
