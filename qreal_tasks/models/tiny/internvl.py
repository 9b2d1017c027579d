"""Writer of a tiny InternVL in the native form of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qreal_tasks.models.tiny.parts import SMALL_TEXT_MODEL, chatml_template, learn_byte_level_vocabulary, write_model

_TILE_SIZE = 56
_TOKENS_A_TILE = 4
_ROLES = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
_SPECIAL_TOKENS = ("<|im_start|>", "<ref>", "</ref>", "<box>", "</box>")


def write_tiny_internvl(folder: Path, seed: int = 0) -> None:
    """Write model, tokenizer and processor into ``folder``, ready for ``from_pretrained``.

    Args:
        folder: made when missing; files of the same names are replaced.
        seed: of the weights.
    """
    from transformers import InternVLConfig, InternVLForConditionalGeneration

    tokenizer = _tokenizer()
    config = InternVLConfig(
        text_config={
            **SMALL_TEXT_MODEL,
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "bos_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "tie_word_embeddings": False,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": [_TILE_SIZE, _TILE_SIZE],
            "patch_size": [14, 14],
            "use_absolute_position_embeddings": True,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=_TOKENS_A_TILE,
        tie_word_embeddings=False,
    )
    write_model(folder, InternVLForConditionalGeneration, config, tokenizer, seed, stops=tokenizer.eos_token_id)
    _processor(tokenizer).save_pretrained(folder)


def _tokenizer() -> Any:
    from transformers import Qwen2Tokenizer

    tokenizer = Qwen2Tokenizer(
        **learn_byte_level_vocabulary(), eos_token="<|im_end|>", pad_token="<|endoftext|>", extra_special_tokens=_ROLES
    )
    tokenizer.add_tokens(list(_SPECIAL_TOKENS), special_tokens=True)
    return tokenizer


def _processor(tokenizer: Any) -> Any:
    from transformers import GotOcr2ImageProcessor, InternVLProcessor, InternVLVideoProcessor

    side = {"height": _TILE_SIZE, "width": _TILE_SIZE}
    return InternVLProcessor(
        image_processor=GotOcr2ImageProcessor(crop_to_patches=True, min_patches=1, max_patches=4, size=side),
        tokenizer=tokenizer,
        video_processor=InternVLVideoProcessor(size=side),
        image_seq_length=_TOKENS_A_TILE,
        chat_template=chatml_template(image="<IMG_CONTEXT>\n", video="<video>\n"),
    )
