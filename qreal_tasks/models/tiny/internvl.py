"""A tiny InternVL in the native form of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qreal_tasks.models.tiny.words import SMALL_TEXT_MODEL, answer_yes_or_no, byte_level_state, chatml_template

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
    import torch
    from transformers import InternVLConfig, InternVLForConditionalGeneration

    tokenizer = _tokenizer()
    stop, pad = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    config = InternVLConfig(
        text_config={
            **SMALL_TEXT_MODEL,
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "bos_token_id": pad,
            "eos_token_id": stop,
            "pad_token_id": pad,
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
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = InternVLForConditionalGeneration(config)
        answer_yes_or_no(model, *tokenizer.convert_tokens_to_ids(["Yes", "No", "<|im_end|>"]))
    model.generation_config.eos_token_id = stop
    model.generation_config.pad_token_id = pad
    model.save_pretrained(folder)
    _processor(tokenizer).save_pretrained(folder)


def _tokenizer() -> Any:
    from transformers import Qwen2Tokenizer

    tokenizer = Qwen2Tokenizer(
        **byte_level_state(), eos_token="<|im_end|>", pad_token="<|endoftext|>", extra_special_tokens=_ROLES
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
