"""Which detector is used, and from when on a box counts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from qreal_tasks.files.settings import Settings

Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["float32", "bfloat16", "float16"]


class DetectionSettings(Settings):
    model: str = "IDEA-Research/grounding-dino-base"
    """Any checkpoint of Grounding DINO, MM-Grounding-DINO or LLMDet: hub id or folder."""
    revision: str | None = None
    threshold: float = Field(default=0.3, gt=0, lt=1)
    second_threshold: float = Field(default=0.3, gt=0, lt=1)
    """The threshold for a phrase that the first pass gave no box and that is then looked for alone."""
    nms_iou: float = Field(default=0.7, gt=0, le=1)
    """Boxes of one phrase that overlap more are one."""
    duplicate_iou: float = Field(default=0.9, gt=0, le=1)
    """Boxes of different phrases that overlap more are one; the better phrase names it."""
    min_area_px: float = Field(default=64, ge=0)
    max_boxes_per_phrase: int = Field(default=10, ge=1)
    phrases_a_text: int = Field(default=40, ge=1)
    batch_size: int = Field(default=4, ge=1)
    device: Device = "auto"
    dtype: Dtype = "float32"
