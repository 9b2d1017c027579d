"""Tiny Qwen2.5-VL and Qwen3-VL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qreal_tasks.models.tiny.words import (
    HIDDEN_SIZE,
    SMALL_TEXT_MODEL,
    answer_yes_or_no,
    byte_level_state,
    chatml_template,
)

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

Start = Callable[[Any, Any], None]
"""Sets the weights of a new model, given it and its tokenizer."""

_VISION = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": HIDDEN_SIZE}


def write_tiny_qwen2_5_vl(folder: Path, seed: int = 0) -> None:
    """Write model, tokenizer and processor into ``folder``, ready for ``from_pretrained``.

    Args:
        folder: made when missing; files of the same names are replaced.
        seed: of the weights.
    """
    write_qwen2_5_vl(folder, SMALL_TEXT_MODEL, {**_VISION, "fullatt_block_indexes": [1], "window_size": 112}, seed)


def write_qwen2_5_vl(
    folder: Path,
    text: Mapping[str, Any],
    vision: Mapping[str, Any],
    seed: int = 0,
    *,
    tokenizer: Any = None,
    start: Start | None = None,
    pixels: tuple[int, int] | None = None,
) -> None:
    """As ``write_tiny_qwen2_5_vl``, of any shape.

    Args:
        folder: made when missing; files of the same names are replaced.
        text, vision: entries of the two parts' configs.
        seed: of the weights.
        tokenizer: of ``qwen_tokenizer``; by default the one of the tiny models.
        start: sets the weights of the new model; by default they answer Yes or No.
        pixels: fewest and most of a picture that the model is fed; by default the hub's limits.
    """
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    from qreal_tasks.models.local.loading import limit_pictures

    tokenizer = tokenizer or qwen_tokenizer(byte_level_state())
    config = Qwen2_5_VLConfig(**_settings(tokenizer, text, vision))
    _write(folder, Qwen2_5_VLForConditionalGeneration, config, tokenizer, seed, start or _yes_or_no)
    processor = _qwen2_5_vl_processor(tokenizer)
    if pixels is not None:
        limit_pictures(processor, min_pixels=pixels[0], max_pixels=pixels[1])
    processor.save_pretrained(folder)


def write_tiny_qwen3_vl(folder: Path, seed: int = 0) -> None:
    """As ``write_tiny_qwen2_5_vl``, for Qwen3-VL."""
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    tokenizer = qwen_tokenizer(byte_level_state())
    vision = {**_VISION, "deepstack_visual_indexes": [0], "num_position_embeddings": 64}
    settings = _settings(tokenizer, {**SMALL_TEXT_MODEL, "head_dim": HIDDEN_SIZE // 4}, vision)
    _write(folder, Qwen3VLForConditionalGeneration, Qwen3VLConfig(**settings), tokenizer, seed, _yes_or_no)
    Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=16),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(),
        chat_template=_template(),
    ).save_pretrained(folder)


def _qwen2_5_vl_processor(tokenizer: Any) -> Any:
    """The processor with the hub's pixel limits."""
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=_template(),
    )


def _settings(tokenizer: Any, text: Mapping[str, Any], vision: Mapping[str, Any]) -> dict[str, Any]:
    token_id = _token_ids(tokenizer)
    turns = text["hidden_size"] // text["num_attention_heads"] // 2  # rotated pairs of a head
    sections = [turns - 2 * (3 * turns // 8), 3 * turns // 8, 3 * turns // 8]
    return {
        "text_config": {
            "vocab_size": len(tokenizer),
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": sections},
            "bos_token_id": token_id["<|endoftext|>"],
            "eos_token_id": token_id["<|im_end|>"],
            "pad_token_id": token_id["<|endoftext|>"],
            "tie_word_embeddings": False,
            **text,
        },
        "vision_config": dict(vision),
        "image_token_id": token_id["<|image_pad|>"],
        "video_token_id": token_id["<|video_pad|>"],
        "vision_start_token_id": token_id["<|vision_start|>"],
        "vision_end_token_id": token_id["<|vision_end|>"],
        "tie_word_embeddings": False,
    }


def _write(folder: Path, model_class: Any, config: Any, tokenizer: Any, seed: int, start: Start) -> None:
    import torch

    token_id = _token_ids(tokenizer)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = model_class(config)
        start(model, tokenizer)
    model.generation_config.eos_token_id = [token_id["<|im_end|>"], token_id["<|endoftext|>"]]
    model.generation_config.pad_token_id = token_id["<|endoftext|>"]
    model.save_pretrained(folder)


def _yes_or_no(model: Any, tokenizer: Any) -> None:
    answer_yes_or_no(model, *tokenizer.convert_tokens_to_ids(["Yes", "No", "<|im_end|>"]))


def _token_ids(tokenizer: Any) -> dict[str, int]:
    return dict(zip(_SPECIAL_TOKENS, tokenizer.convert_tokens_to_ids(list(_SPECIAL_TOKENS)), strict=True))


def qwen_tokenizer(state: Mapping[str, Any]) -> Any:
    """Qwen's tokenizer class.

    Args:
        state: ``vocab`` and ``merges``, byte-level.
    """
    from transformers import Qwen2Tokenizer

    return Qwen2Tokenizer(
        **state,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=[t for t in _SPECIAL_TOKENS if t not in ("<|im_end|>", "<|endoftext|>")],
    )


def _template() -> str:
    return chatml_template(
        image="<|vision_start|><|image_pad|><|vision_end|>", video="<|vision_start|><|video_pad|><|vision_end|>"
    )
