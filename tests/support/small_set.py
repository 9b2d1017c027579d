"""A small dataset for tests, as rows and as a folder in hub layout."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from qreal_tasks.benchmark import BODY_PARTS, Dimension, is_flawed
from qreal_tasks.dataset.schema import FEATURES

IMAGE_SIZE = (100, 80)
Rows = dict[str, dict[str, list[dict[str, Any]]]]
"""Config, split, rows."""


def scene(number: int) -> Image.Image:
    """A picture of its own for every number: squares in random colours."""
    squares = np.random.default_rng(number).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    return Image.fromarray(squares).resize(IMAGE_SIZE, Image.Resampling.NEAREST)


def encoded(picture: Image.Image) -> dict[str, Any]:
    """A picture as the datasets library embeds it."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def png(width: int, height: int) -> bytes:
    """A file of one colour."""
    content: bytes = encoded(Image.new("RGB", (width, height), "teal"))["bytes"]
    return content


def small_rows() -> Rows:
    """Two train and three test images with two entities each; the second test image is a portrait with parts."""
    rows: Rows = {config: {"train": [], "test": []} for config in FEATURES}
    for number in range(5):
        split = "train" if number < 2 else "test"
        image_id, portrait, picture = f"img{number}", number == 3, scene(number)
        shared = {
            "generator": f"gen{number % 2}",
            "prompt_id": f"prompt-{split}-{number}",
            "is_portrait": portrait,
        }
        entities = []
        for index, box in enumerate(([10.0, 10.0, 40.0, 50.0], [50.0, 20.0, 90.0, 70.0])):
            answers = {
                "realism_q1": (number + index) % 2,
                "realism_q2": 1,
                "plausibility_q1": index,
                "plausibility_q2": (number + index) % 2,
                "plausibility_q3": 0,
                "plausibility_q4": int(number == 4),
            }
            result = {name: ("No", "Yes")[value] for name, value in answers.items()}
            entity: dict[str, Any] = {
                "entity_id": f"{image_id}#{index}",
                "label": ("dog", "mug")[index],
                "bbox": box,
                "quality_score": 0.5,
                **answers,
                "realism_description": "The fur looks painted.",
                "plausibility_description": "It has five legs.",
            }
            cut = picture.crop((int(box[0]), int(box[1]), int(box[2]), int(box[3])))
            crop = {"image": encoded(cut), "width": cut.width, "height": cut.height}
            rows["objectqa"][split].append({**entity, **shared, "image_id": image_id, **crop})
            entity |= {f"{d}_flawed": is_flawed(d, result) for d in Dimension}
            entity["parts"] = {part: f"The {part} is wrong." for part in BODY_PARTS} if portrait else None
            entities.append(entity)
        whole = {"image": encoded(picture), "width": picture.width, "height": picture.height}
        rows["imageqa"][split].append(
            {"image_id": image_id, **whole, **shared, "prompt": f"A dog and a mug, {number}.", "entities": entities}
        )
    return rows


def write_hub_layout(folder: Path, rows: Rows) -> Path:
    """The rows as a folder in hub layout."""
    configs = ""
    for config, splits in rows.items():
        configs += f"- config_name: {config}\n  data_files:\n"
        for split, split_rows in splits.items():
            path = folder / "data" / config / f"{split}-00000-of-00001.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(split_rows, schema=FEATURES[config].arrow_schema), path)
            configs += f"  - split: {split}\n    path: data/{config}/{split}-*.parquet\n"
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n# A small set for tests\n", encoding="utf-8")
    return folder
