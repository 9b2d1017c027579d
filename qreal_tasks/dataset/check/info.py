"""What a split of a dataset holds, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from datasets import Dataset

from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES, Dimension
from qreal_tasks.dataset.check.rows import nulls_of_image
from qreal_tasks.dataset.loading import load
from qreal_tasks.dataset.schema import has_parts
from qreal_tasks.dataset.source import DatasetError, Source


@dataclass(frozen=True)
class Info:
    """What a split holds, counted as in section 3.2 of the paper."""

    split: str
    images: int
    prompts: int
    entities: int
    portraits: int
    with_parts: int
    """Images of the human-plausibility set: portraits with an entity that has body-part descriptions."""
    flawed_images: dict[str, int]
    """Per dimension, images with at least one flawed entity."""
    yes_share: dict[str, float]
    """Per question."""
    generators: dict[str, int]
    """Images per generator."""


def info(source: Source, split: str) -> Info:
    """Count what a split holds, without decoding images.

    Raises:
        DatasetError: the split cannot be loaded, or lacks values that are counted.
    """
    images: Dataset = load(source, "imageqa", split).remove_columns("image")
    rows = list(images)
    for number, row in enumerate(rows):
        for found in nulls_of_image(row):
            raise DatasetError(
                f"{source.name}, imageqa/{split} row {number}, {found.item}: {found.message}; see `qreal data check`"
            )
    entities = [entity for row in rows for entity in row["entities"]]
    if not entities:
        raise DatasetError(f"{source.name}, split {split}: no image has an entity")
    return Info(
        split=split,
        images=len(rows),
        prompts=len({row["prompt_id"] for row in rows}),
        entities=len(entities),
        portraits=sum(row["is_portrait"] for row in rows),
        with_parts=sum(row["is_portrait"] and any(has_parts(e) for e in row["entities"]) for row in rows),
        flawed_images={str(d): sum(any(e[f"{d}_flawed"] for e in row["entities"]) for row in rows) for d in Dimension},
        yes_share={name: sum(ANSWERS[e[name]] == "Yes" for e in entities) / len(entities) for name in QUESTION_NAMES},
        generators=dict(sorted(Counter(row["generator"] for row in rows).items())),
    )
