"""What differs between model families and is not in their processors."""

from __future__ import annotations

from typing import Any

from qreal_tasks.boxes import Space

BOX_SPACE_OF_MODEL_TYPE = {
    "internvl": Space.NORM1000,
    "internvl_chat": Space.NORM1000,
    "llava": Space.UNIT,
    "llava_next": Space.UNIT,
    "qwen2_vl": Space.NORM1000,
    "qwen2_5_vl": Space.RESIZED_PIXELS,
    "qwen3_vl": Space.NORM1000,
}
"""The boxes that they were trained to write, by ``model_type`` of the config."""

DEFAULT_BOX_SPACE = Space.NORM1000

_SHARING_PROVEN = frozenset({"internvl", "llava_next", "qwen2_5_vl", "qwen3_vl"})
"""Families whose shared, batched form is tested against one question at a time."""


def takes_shared_prefix(config: Any) -> bool:
    """Whether questions may share a prefix and a row behind it, and rows a batch.

    It takes attention that follows a mask everywhere and a cache that forgets nothing. Layers that slide or are linear
    do not, and some families need more beside the tokens than their processors give for text alone. What is not known
    to be right is asked one question at a time.
    """
    text = config.get_text_config()
    kinds = getattr(text, "layer_types", None)
    if kinds is not None:
        full = set(kinds) <= {"full_attention"}
    else:
        full = getattr(text, "sliding_window", None) is None or not getattr(text, "use_sliding_window", True)
    return full and config.model_type in _SHARING_PROVEN
