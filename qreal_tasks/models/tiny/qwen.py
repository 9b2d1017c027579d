"""Writers of a tiny Qwen2.5-VL and a tiny Qwen3-VL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qreal_tasks.models.tiny.parts import (
    HIDDEN_SIZE,
    SMALL_TEXT_MODEL,
    chatml_template,
    learn_byte_level_vocabulary,
    write_model,
)

_VISION_TOKENS = [f"<|{name}|>" for name in ("vision_start", "vision_end", "vision_pad", "image_pad", "video_pad")]

_STOPS = ["<|im_end|>", "<|endoftext|>"]

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
    start: Callable[[Any, Any], None] | None = None,
    pixels: tuple[int, int] | None = None,
) -> None:
    """Write a Qwen2.5-VL of any shape, its tokenizer and its processor into ``folder``.

    Args:
        folder: made when missing; files of the same names are replaced.
        text, vision: entries of the two parts' configs.
        seed: of the weights.
        tokenizer: of ``build_tokenizer``; by default the one of the tiny models.
        start: as ``write_model``.
        pixels: fewest and most of a picture that the model is fed; by default the hub's limits.
    """
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    from qreal_tasks.models.local.weights.loading import limit_pictures

    tokenizer = tokenizer or build_tokenizer(learn_byte_level_vocabulary())
    config = Qwen2_5_VLConfig(**_settings(tokenizer, text, vision))
    stops = tokenizer.convert_tokens_to_ids(_STOPS)
    write_model(folder, Qwen2_5_VLForConditionalGeneration, config, tokenizer, seed, stops=stops, start=start)
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(),  # with the hub's limits of pixels
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=_template(),
    )
    if pixels is not None:
        limit_pictures(processor, min_pixels=pixels[0], max_pixels=pixels[1])
    processor.save_pretrained(folder)


def write_tiny_qwen3_vl(folder: Path, seed: int = 0) -> None:
    """Write a tiny Qwen3-VL; arguments as ``write_tiny_qwen2_5_vl``."""
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    tokenizer = build_tokenizer(learn_byte_level_vocabulary())
    vision = {**_VISION, "deepstack_visual_indexes": [0], "num_position_embeddings": 64}
    settings = _settings(tokenizer, {**SMALL_TEXT_MODEL, "head_dim": HIDDEN_SIZE // 4}, vision)
    stops = tokenizer.convert_tokens_to_ids(_STOPS)
    write_model(folder, Qwen3VLForConditionalGeneration, Qwen3VLConfig(**settings), tokenizer, seed, stops=stops)
    Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=16),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(),
        chat_template=_template(),
    ).save_pretrained(folder)


def _settings(tokenizer: Any, text: Mapping[str, Any], vision: Mapping[str, Any]) -> dict[str, Any]:
    token_id = tokenizer.convert_tokens_to_ids
    turns = text["hidden_size"] // text["num_attention_heads"] // 2  # rotated pairs of a head
    sections = [turns - 2 * (3 * turns // 8), 3 * turns // 8, 3 * turns // 8]
    return {
        "text_config": {
            "vocab_size": len(tokenizer),
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": sections},
            "bos_token_id": token_id("<|endoftext|>"),
            "eos_token_id": token_id("<|im_end|>"),
            "pad_token_id": token_id("<|endoftext|>"),
            "tie_word_embeddings": False,
            **text,
        },
        "vision_config": dict(vision),
        "image_token_id": token_id("<|image_pad|>"),
        "video_token_id": token_id("<|video_pad|>"),
        "vision_start_token_id": token_id("<|vision_start|>"),
        "vision_end_token_id": token_id("<|vision_end|>"),
        "tie_word_embeddings": False,
    }


def build_tokenizer(state: Mapping[str, Any]) -> Any:
    """Qwen's tokenizer class.

    Args:
        state: ``vocab`` and ``merges``, byte-level.
    """
    from transformers import Qwen2Tokenizer

    return Qwen2Tokenizer(
        **state,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=["<|im_start|>", *_VISION_TOKENS],
    )


def _template() -> str:
    return chatml_template(
        image="<|vision_start|><|image_pad|><|vision_end|>", video="<|vision_start|><|video_pad|><|vision_end|>"
    )
