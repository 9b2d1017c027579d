"""The rows of a dataset that are asked about, by their ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qreal_tasks.benchmark import IMAGEQA_SETS
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.schema import CONFIGS
from qreal_tasks.dataset.source import Source
from qreal_tasks.samples import Row, in_human_set


@dataclass(frozen=True)
class AskedRows:
    """The test split, without its pictures, in the order of the dataset."""

    source: Source
    entities: Mapping[str, Row]
    """``entity_id`` to its row of ``objectqa``."""
    images: Mapping[str, Row]
    """``image_id`` to its row of ``imageqa``."""

    def of(self, name: str) -> Mapping[str, Row]:
        """The rows that a question or a set is asked about."""
        if name == "human_plausibility":
            return {image_id: row for image_id, row in self.images.items() if in_human_set(row)}
        return self.images if name in IMAGEQA_SETS else self.entities

    def train_ids(self, name: str) -> frozenset[str]:
        """Ids of the train split, which is not asked about."""
        key = "image_id" if name in IMAGEQA_SETS else "entity_id"
        return frozenset(load_split(self.source, CONFIGS[name in IMAGEQA_SETS], "train")[key])


def load_asked_rows(source: Source) -> AskedRows:
    """Load the test split of a dataset.

    Raises:
        DatasetError: it cannot be loaded, or is not what the schema says.
    """
    objectqa, imageqa = (load_split(source, config, "test").remove_columns(["image"]).to_list() for config in CONFIGS)
    return AskedRows(source, {row["entity_id"]: row for row in objectqa}, {row["image_id"]: row for row in imageqa})
