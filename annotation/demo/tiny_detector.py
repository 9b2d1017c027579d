"""The parts of a small Grounding DINO: its tokenizer, and the shape of the one that ships with the demonstration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qreal_tasks.mini.prompts import CAST

SIDE_PX = 128
"""Pictures are scaled to it: the drawn ones are square."""
LABELS = tuple(label for labels in CAST.values() for label in labels)
"""What may be drawn."""
ABSENT = ("bird", "lamp", "boat", "clock")
"""Names that the detector has read and never seen."""
DETECTION: dict[str, Any] = {"threshold": 0.1, "second_threshold": 0.05, "max_boxes_per_phrase": 1, "device": "cpu"}
"""How it is used: its scores are lower than those of the published checkpoints."""
_MOST_TEXT_TOKENS = 64
_DOT, _QUESTION_MARK = 1012, 1029
"""Where BERT's vocabulary has them; Grounding DINO's code counts on it."""


def make_bert_tokenizer(folder: Path, words: Iterable[str]) -> Any:
    """Make a real BERT tokenizer over these words and single letters, with the special tokens at BERT's own places."""
    from transformers import BertTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    vocabulary = [f"[unused{number}]" for number in range(_QUESTION_MARK + 1)]
    vocabulary[0], vocabulary[_DOT], vocabulary[_QUESTION_MARK] = "[PAD]", ".", "?"
    vocabulary[100:104] = ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    free = [place for place in range(104, _QUESTION_MARK) if place != _DOT]
    known = dict.fromkeys([*words, *letters, *(f"##{letter}" for letter in letters)])
    for place, word in zip(free, known, strict=False):
        vocabulary[place] = word
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return BertTokenizer(str(folder / "vocab.txt"), do_lower_case=True, model_max_length=256)


def make_processor(tokenizer: Any) -> Any:
    """Make the processor of pictures and names for the detector."""
    from transformers import GroundingDinoImageProcessor, GroundingDinoProcessor

    size = {"shortest_edge": SIDE_PX, "longest_edge": SIDE_PX}
    return GroundingDinoProcessor(GroundingDinoImageProcessor(size=size), tokenizer)


def make_untrained_detector(vocabulary: int) -> Any:
    """``GroundingDinoForObjectDetection`` with under a million random weights.

    Its backbone is a small ConvNeXt, which learns from few pictures; two encoder and two decoder layers, 64 wide.
    """
    from transformers import BertConfig, ConvNextConfig, GroundingDinoConfig, GroundingDinoForObjectDetection

    vision = ConvNextConfig(
        hidden_sizes=[24, 48, 96, 128],
        depths=[1, 1, 2, 1],
        layer_scale_init_value=1.0,
        out_features=["stage3", "stage4"],
    )
    text = BertConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=256,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    config = GroundingDinoConfig(
        backbone_config=vision,
        text_config=text,
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        num_queries=12,
        num_feature_levels=2,
        two_stage=True,
        dropout=0.0,
        fusion_dropout=0.0,
        fusion_droppath=0.0,
        auxiliary_loss=True,
        max_text_len=_MOST_TEXT_TOKENS,
    )
    return GroundingDinoForObjectDetection(config)
