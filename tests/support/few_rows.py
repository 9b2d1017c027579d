"""A few scenes of the embedded set as a dataset whose test split shows what its train split shows.

A model that has learnt the train split by heart must answer the test split without a mistake: whatever is lost on the
way from pixels through text and back shows as an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Image
from small_set import Rows, write_hub_layout

from qreal_tasks.benchmark import BODY_PARTS
from qreal_tasks.dataset.loading import load
from qreal_tasks.dataset.schema import CONFIGS
from qreal_tasks.dataset.source import locate


def write_few(folder: Path, images: int, entities: int | None = None) -> Path:
    """Write a dataset of the first ``images`` scenes, a flawed portrait among them, cut to ``entities`` crops."""
    source = locate("mini")
    read = {c: load(source, c, "train").cast_column("image", Image(decode=False)) for c in CONFIGS}
    whole = [_short(row) for row in read["imageqa"]]
    portraits = [row for row in whole if row["is_portrait"] and row["entities"][0]["plausibility_flawed"]]
    chosen = [*portraits[:1], *[row for row in whole if not row["is_portrait"]]][:images]
    names = {row["image_id"] for row in chosen}
    crops = [_short(row) for row in read["objectqa"] if row["image_id"] in names][:entities]
    kept = {row["entity_id"] for row in crops}
    chosen = [row | {"entities": [e for e in row["entities"] if e["entity_id"] in kept]} for row in chosen]
    rows: Rows = {
        "objectqa": {"train": crops, "test": [_renamed(row) for row in crops]},
        "imageqa": {"train": chosen, "test": [_renamed(row) for row in chosen]},
    }
    return write_hub_layout(folder, rows)


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """Descriptions of two words: what is learnt by heart here are boxes."""
    changed = dict(row)
    for key in ("realism_description", "plausibility_description"):
        if changed.get(key):
            changed[key] = " ".join(changed[key].split()[:2])
    if "entities" in row:
        changed["entities"] = [_short(entity) for entity in row["entities"]]
    if row.get("parts"):
        changed["parts"] = {part: row["parts"][part] and row["parts"][part].split()[0] for part in BODY_PARTS}
    return changed


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    """The same under other ids: no image and no prompt may be in both splits."""
    changed = {key: f"test-{value}" if key.endswith("_id") else value for key, value in row.items()}
    if "entities" in row:
        changed["entities"] = [_renamed(entity) for entity in row["entities"]]
        changed["prompt"] = f"Another: {row['prompt']}"
    return changed
