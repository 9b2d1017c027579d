"""What differs between model families and is not in their processors: the boxes that they were trained to write."""

from __future__ import annotations

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
"""By ``model_type`` of the config."""

DEFAULT_BOX_SPACE = Space.NORM1000
