"""References of the paper's size without any picture: 2,316 entities in 400 images of ten generators."""

from __future__ import annotations

from typing import Any

import numpy as np

from qreal_tasks.benchmark import ANSWERS, BODY_PARTS, QUESTION_NAMES, Dimension, is_flawed
from qreal_tasks.leaderboard.submission.references import References

ENTITIES, IMAGES, SIDE = 2316, 400, 1024
YES_SHARE = (0.402, 0.404, 0.433, 0.631, 0.600, 0.112)
GENERATORS = tuple(f"generator-{n}" for n in range(10))
_LABELS = ("person", "dog", "table", "tree", "sign")


def drawn_references(seed: int = 0, images: int = IMAGES, entities: int = ENTITIES) -> References:
    """Rows of both configs; answers of an image lean the same way, as those of one generator do."""
    rng = np.random.default_rng(seed)
    owner = np.sort(np.concatenate([np.arange(images), rng.integers(0, images, entities - images)]))
    lean = rng.normal(0, 0.15, images)
    whole = [_image(number, rng) for number in range(images)]
    crops = []
    for image in owner:
        row = whole[image]
        entity = _entity(row, len(row["entities"]), float(lean[image]), rng)
        row["entities"].append(entity)
        shared = {key: row[key] for key in ("image_id", "generator", "prompt_id", "is_portrait")}
        left_out = ("parts", "realism_flawed", "plausibility_flawed")
        crops.append({**{k: v for k, v in entity.items() if k not in left_out}, **shared, "width": 200, "height": 200})
    return References.of("org/drawn", crops, whole)


def _image(number: int, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "image_id": f"image{number:04}",
        "width": SIDE,
        "height": SIDE,
        "generator": GENERATORS[number % len(GENERATORS)],
        "prompt_id": f"prompt{number // 3}",
        "prompt": "A scene.",
        "is_portrait": bool(rng.random() < 0.16),
        "entities": [],
    }


def _entity(row: dict[str, Any], index: int, lean: float, rng: np.random.Generator) -> dict[str, Any]:
    x, y = rng.uniform(0, SIDE - 320, 2)
    w, h = rng.uniform(60, 300, 2)
    answers = {
        name: int(rng.random() < np.clip(share + lean, 0.02, 0.98))
        for name, share in zip(QUESTION_NAMES, YES_SHARE, strict=True)
    }
    result = {name: ANSWERS[value] for name, value in answers.items()}
    person = row["is_portrait"] and index == 0
    return {
        "entity_id": f"{row['image_id']}#{index}",
        "label": "person" if person else str(rng.choice(_LABELS)),
        "bbox": [float(np.float32(v)) for v in (x, y, x + w, y + h)],
        "quality_score": 0.5,
        **answers,
        **{f"{dimension}_flawed": is_flawed(dimension, result) for dimension in Dimension},
        "realism_description": "The surface looks painted and the light comes from two sides at once.",
        "plausibility_description": "One of the limbs bends the wrong way and ends in a shape without fingers.",
        "parts": {part: f"The {part.replace('_', ' ')} is wrong." for part in BODY_PARTS} if person else None,
    }
