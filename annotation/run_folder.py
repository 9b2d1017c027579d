"""A run on disk: its config, its inputs, and a folder of shards for every stage.

RUN/config.yaml         what it is made with; may be edited, and what that changes is made again
RUN/listing.parquet     every input, in order; ``images_per_shard`` of them are a shard
RUN/manifest.parquet    what became of every input: accepted, rejected, duplicate, and why
RUN/shards/STAGE/N      a shard's rows of a stage, written in one step
RUN/calls.sqlite        every answer of a language model, paid for once
RUN/progress.jsonl      when which shard was done, for the estimate of the time left
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from annotation import shards
from annotation.config import Config, load_config
from annotation.errors import AnnotationError
from annotation.schemas import LISTING, SCHEMAS, State
from annotation.stages.chain import AFTER, settings_of

_FORM = 1
"""Changes when a stage makes other rows from the same inputs and settings."""


@dataclass(frozen=True)
class Picture:
    """An accepted image of a shard, with what is known of it."""

    image_id: str
    content: bytes
    width: int
    height: int
    name: str
    prompt: str
    prompt_id: str
    generator: str


class RunFolder:
    """The run at ``path``; make one with ``annotation.intake.start``.

    Raises:
        AnnotationError: it is no run, or its config is not as expected.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not self.config_path.is_file() or not self.listing_path.is_file():
            raise AnnotationError(f"{path} is no run of annotation; `qreal annotate init IMAGES {path}` makes one")
        self.config: Config = load_config(self.config_path)
        self._recipes: dict[str, str] = {}

    @property
    def config_path(self) -> Path:
        return self.path / "config.yaml"

    @property
    def listing_path(self) -> Path:
        return self.path / "listing.parquet"

    @property
    def manifest_path(self) -> Path:
        return self.path / "manifest.parquet"

    @property
    def calls_path(self) -> Path:
        return self.path / "calls.sqlite"

    @property
    def progress_path(self) -> Path:
        return self.path / "progress.jsonl"

    @cached_property
    def listing(self) -> pa.Table:
        """Every input, as the source listed it."""
        return shards.read_table(self.listing_path)

    @property
    def images(self) -> str:
        """What ``init`` was given."""
        found: str = json.loads(shards.recipe_of(self.listing_path) or "{}")["images"]
        return found

    @cached_property
    def shard_numbers(self) -> range:
        return range(math.ceil(len(self.listing) / self.config.images_per_shard))

    def inputs(self, shard: int) -> list[dict[str, Any]]:
        """The listing's rows of a shard."""
        size = self.config.images_per_shard
        rows: list[dict[str, Any]] = self.listing.slice(shard * size, size).to_pylist()
        return rows

    def recipe(self, stage: str) -> str:
        """SHA-256 over everything that the rows of a stage depend on: its settings and, through their recipes, the
        stages before it. What is on disk under another recipe is out of date."""
        if stage not in self._recipes:
            before = [self.recipe(earlier) for earlier in AFTER[stage]]
            settings = settings_of(stage, self.config)
            if stage == "intake":
                settings |= {"listing": _digest_of(self.listing)}
            said = json.dumps([_FORM, stage, settings, before], sort_keys=True)
            self._recipes[stage] = hashlib.sha256(said.encode()).hexdigest()
        return self._recipes[stage]

    def shard_path(self, stage: str, shard: int) -> Path:
        return self.path / "shards" / stage / f"{shard:06d}.parquet"

    def is_done(self, stage: str, shard: int) -> bool:
        return shards.recipe_of(self.shard_path(stage, shard)) == self.recipe(stage)

    def pending(self, stage: str, among: Iterable[int]) -> list[int]:
        """The shards that are missing or out of date."""
        return [shard for shard in among if not self.is_done(stage, shard)]

    def read(self, stage: str, shard: int, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """The rows of a shard."""
        rows: list[dict[str, Any]] = shards.read_table(self.shard_path(stage, shard), columns).to_pylist()
        return rows

    def write(self, stage: str, shard: int, rows: Sequence[dict[str, Any]]) -> None:
        """Put the rows of a shard in place, in one step."""
        shards.write_rows(self.shard_path(stage, shard), rows, SCHEMAS[stage], self.recipe(stage))

    @cached_property
    def duplicates(self) -> frozenset[tuple[int, int]]:
        """Shard and place in it of every accepted image whose pixels came before."""
        if not self.manifest_path.is_file():
            raise AnnotationError(f"{self.path}: intake is not finished; `qreal annotate init` goes on with it")
        table = shards.read_table(self.manifest_path, ["shard", "row", "state"])
        found = table.filter(pa.compute.equal(table["state"], str(State.DUPLICATE)))
        return frozenset(zip(found["shard"].to_pylist(), found["row"].to_pylist(), strict=True))

    def pictures(self, shard: int) -> list[Picture]:
        """The images of a shard that are annotated."""
        columns = ["image_id", "content", "width", "height", "name", "prompt", "prompt_id", "generator"]
        rows = self.read("intake", shard, [*columns, "state"])
        return [
            Picture(**{name: row[name] for name in columns})
            for place, row in enumerate(rows)
            if row["state"] == State.DONE and (shard, place) not in self.duplicates
        ]


def listing_table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """The inputs as ``listing.parquet`` holds them."""
    return pa.Table.from_pylist(list(rows), schema=LISTING)


def _digest_of(table: pa.Table) -> str:
    digest = hashlib.sha256()
    for batch in table.to_batches(max_chunksize=1000):
        digest.update(repr(batch.to_pylist()).encode())
    return digest.hexdigest()
