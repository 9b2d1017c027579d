"""Tiny checkpoints with random weights of the real classes: Grounding DINO, and Qwen2-VL with Q-Eval-Score's levels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from annotation.demo.tiny_detector import make_bert_tokenizer

_WORDS = """
red blue green old young small large wooden dog cat horse bird man woman person child car bus boat chair table mug tree
flower sign house lamp book ball hat coat in a the with two
"""
WORDS = _WORDS.split()


def write_tiny_grounding_dino(folder: Path, seed: int = 0, queries: int = 20) -> Path:
    """Boxes and scores are arbitrary and depend on picture and text; pictures are seen at 64 to 96 px."""
    from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection

    return _write_detector(folder, GroundingDinoConfig, GroundingDinoForObjectDetection, seed, queries)


def write_tiny_mm_grounding_dino(folder: Path, seed: int = 0, queries: int = 20) -> Path:
    """As ``write_tiny_grounding_dino``, for MM-Grounding-DINO, whose class LLMDet uses too."""
    from transformers import MMGroundingDinoConfig, MMGroundingDinoForObjectDetection

    return _write_detector(folder, MMGroundingDinoConfig, MMGroundingDinoForObjectDetection, seed, queries)


def write_tiny_q_eval(folder: Path, seed: int = 0) -> Path:
    """Qwen2-VL whose vocabulary holds each level as one token."""
    import torch
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    from annotation.llm.replies import LEVELS
    from qreal_tasks.models.tiny import qwen
    from qreal_tasks.models.tiny.parts import SMALL_TEXT_MODEL, learn_byte_level_vocabulary

    tokenizer = qwen.build_tokenizer(learn_byte_level_vocabulary())
    tokenizer.add_tokens(list(LEVELS))
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14}
    settings = qwen._settings(tokenizer, SMALL_TEXT_MODEL, vision)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen2VLForConditionalGeneration(Qwen2VLConfig(**settings))
        for weight in model.parameters():  # at the usual scale all levels come out alike
            if weight.ndim == 2:
                weight.data *= 4
    model.save_pretrained(folder)
    Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=qwen._template(),
    ).save_pretrained(folder)
    return folder


def _write_detector(folder: Path, config_class: Any, model_class: Any, seed: int, queries: int) -> Path:
    import torch
    from transformers import GroundingDinoImageProcessor, GroundingDinoProcessor

    tokenizer = make_bert_tokenizer(folder, WORDS)
    config = config_class(
        backbone_config=_swin(),
        text_config=_bert(len(tokenizer)),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_queries=queries,
        num_feature_levels=3,
        two_stage=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = model_class(config)
        for head in model.bbox_embed:  # zero at first, which leaves every box on its anchor
            last = head.layers[-1]
            torch.nn.init.normal_(last.weight, std=0.3)
            last.bias.data[2:] = 1.5
    model.save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def _swin() -> Any:
    from transformers import SwinConfig

    return SwinConfig(
        image_size=64,
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[2, 2, 2, 2],
        window_size=4,
        out_features=["stage2", "stage3", "stage4"],
    )


def _bert(vocabulary: int) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
    )
