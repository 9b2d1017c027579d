"""Tiny models with random weights, built from the real classes: for trying the software and for tests.

They answer Yes or No at chance level. What they prove is that tokenizer, chat template, image processor, vision tower
and generation work together; about 0.2 M parameters, under 2 MB on disk, and they load through the Auto classes.
The learner (1.5 M) is made to be trained.
"""

from qreal_tasks.models.tiny.internvl import write_tiny_internvl
from qreal_tasks.models.tiny.learner import write_learner_qwen2_5_vl
from qreal_tasks.models.tiny.llava import write_tiny_llava_next
from qreal_tasks.models.tiny.qwen import write_tiny_qwen2_5_vl, write_tiny_qwen3_vl

__all__ = [
    "write_learner_qwen2_5_vl",
    "write_tiny_internvl",
    "write_tiny_llava_next",
    "write_tiny_qwen2_5_vl",
    "write_tiny_qwen3_vl",
]
