"""Counts of what the stages of a run work through: images, entities and people, not shards."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from annotation.run.folder import RunFolder
from annotation.run.schemas import State
from qreal_tasks.shards import parquet_files as parquet

_SINGULAR = {"entities": "entity", "people": "person"}
"""Units of which the singular is not the plural without its s."""
_UNITS = {**dict.fromkeys(("quality", "judgment", "objectqa"), "entities"), "parts": "people", "merge": "people"}


def unit_of(stage: str) -> str:
    """The unit of the items that a stage works through."""
    return _UNITS.get(stage, "images")


def row_unit_of(stage: str) -> str:
    """The unit of a stage's rows: the detector goes through images, and its rows are entities."""
    return "entities" if stage == "detection" else unit_of(stage)


def format_count(count: int, unit: str) -> str:
    """A count with its unit, in the singular for one.

    >>> format_count(1, "people"), format_count(1234, "entities")
    ('1 person', '1,234 entities')
    """
    return f"{count:,} {_SINGULAR.get(unit, unit.removesuffix('s')) if count == 1 else unit}"


def count_images_by_shard(run: RunFolder) -> list[int]:
    """Count the annotated images of each shard; for a run whose intake is finished."""
    table = parquet.read_table(run.manifest_path, ["shard", "state"])
    held = [0] * len(run.shard_numbers)
    for shard, state in zip(table["shard"].to_pylist(), table["state"].to_pylist(), strict=True):
        held[shard] += state == State.DONE
    return held


class ItemCounts:
    """Counts of the items of each stage of a run, as far as the stages before it have told."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._detected: dict[int, tuple[int, int]] = {}

    @cached_property
    def _images(self) -> list[int]:
        return count_images_by_shard(self._run)

    @cached_property
    def _listed(self) -> list[int]:
        return parquet.count_group_rows(self._run.listing_path)

    def of(self, stage: str, shard: int) -> int | None:
        """Items of a shard; None before the detector has gone through it, for a stage that works on what it finds."""
        if stage == "intake":
            return self._listed[shard]
        if unit_of(stage) == "images":
            return self._images[shard]
        if shard not in self._detected:
            if not self._run.is_done("detection", shard):
                return None
            rows = self._run.read("detection", shard, ["state", "is_person"])
            found = [row["is_person"] for row in rows if row["state"] == State.DONE]
            self._detected[shard] = len(found), sum(found)
        entities, people = self._detected[shard]
        return people if unit_of(stage) == "people" else entities

    def total(self, stage: str, shards: Iterable[int]) -> int:
        """Items of these shards, as many as are known."""
        return sum(self.of(stage, shard) or 0 for shard in shards)
