"""The schema of the dataset: its configs and splits, and the columns of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasets import ClassLabel, Features, Image, List, Value

from qreal_tasks.benchmark import ANSWERS, BODY_PARTS, QUESTION_NAMES

CONFIGS = ("objectqa", "imageqa")
SPLITS = ("train", "test")

_BBOX = List(Value("float32"), length=4)
_ANSWERS = {name: ClassLabel(names=list(ANSWERS)) for name in QUESTION_NAMES}

OBJECTQA_FEATURES = Features(
    {
        "entity_id": Value("string"),
        "image_id": Value("string"),
        "image": Image(),
        "width": Value("int32"),
        "height": Value("int32"),
        "label": Value("string"),
        "bbox": _BBOX,
        "generator": Value("string"),
        "prompt_id": Value("string"),
        "is_portrait": Value("bool"),
        "quality_score": Value("float32"),
        **_ANSWERS,
        "realism_description": Value("string"),
        "plausibility_description": Value("string"),
    }
)
"""A row an entity. ``image`` is its crop, ``width`` and ``height`` the crop's; ``bbox`` is x1, y1, x2, y2 in pixels
of the source image; ``quality_score`` is 0 to 1 or null."""

IMAGEQA_FEATURES = Features(
    {
        "image_id": Value("string"),
        "image": Image(),
        "width": Value("int32"),
        "height": Value("int32"),
        "generator": Value("string"),
        "prompt_id": Value("string"),
        "prompt": Value("string"),
        "is_portrait": Value("bool"),
        "entities": List(
            {
                "entity_id": Value("string"),
                "label": Value("string"),
                "bbox": _BBOX,
                "quality_score": Value("float32"),
                **_ANSWERS,
                "realism_flawed": Value("bool"),
                "plausibility_flawed": Value("bool"),
                "realism_description": Value("string"),
                "plausibility_description": Value("string"),
                "parts": {part: Value("string") for part in BODY_PARTS},
            }
        ),
    }
)
"""A row an image. An entity's ``parts`` holds the portrait protocol's seven descriptions, or is null."""

FEATURES = {"objectqa": OBJECTQA_FEATURES, "imageqa": IMAGEQA_FEATURES}


def has_parts(entity: Mapping[str, Any]) -> bool:
    """Whether the entity went through the portrait protocol. A null struct may come back as a struct of nulls."""
    parts = entity["parts"]
    return parts is not None and any(text is not None for text in parts.values())
