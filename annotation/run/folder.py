"""A run on disk: its config, its inputs, and a folder of shards for every stage.

RUN/config.yaml         what it is made with; may be edited, and what that changes is made again
RUN/listing.parquet     every input, in order; ``images_per_shard`` of them are a shard
RUN/manifest.parquet    what became of every input: accepted, rejected, duplicate, and why
RUN/shards/STAGE/N      a shard's rows of a stage, written in one step
RUN/calls.sqlite        every answer of a language model, paid for once
RUN/progress.jsonl      how long each shard took, for the estimate of the time left
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from annotation.config import load_annotation_config
from annotation.errors import AnnotationError, annotate_command
from annotation.run.chain import AFTER, settings_of
from annotation.run.schemas import LISTING, SCHEMAS, Row, State
from qreal_tasks.files.locks import hold_lock
from qreal_tasks.shards import parquet_files as shards

LOCK = ".lock"
_FORM = 1
"""Changes when a stage makes other rows from the same inputs and settings."""


@dataclass(frozen=True)
class AcceptedImage:
    """An image that intake has accepted, with what is known of it."""

    image_id: str
    content: bytes
    width: int
    height: int
    name: str
    prompt: str
    prompt_id: str
    generator: str


def lock_run(path: Path) -> AbstractContextManager[int]:
    """Let one program at a time work on the run at ``path``; one that dies gives the lock back.

    Raises:
        AnnotationError: another program holds it.
    """
    return hold_lock(path / LOCK, AnnotationError(f"another program works on {path}; let it end first"))


class RunFolder:
    """The run in the folder ``path``; ``annotation.intake.start`` makes one.

    Raises:
        AnnotationError: it is no run, or its config is not as expected.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_path = path / "config.yaml"
        self.listing_path = path / "listing.parquet"
        self.manifest_path = path / "manifest.parquet"
        self.calls_path = path / "calls.sqlite"
        self.progress_path = path / "progress.jsonl"
        if not self.config_path.is_file() or not self.listing_path.is_file():
            command = annotate_command("init", "IMAGES", path)
            raise AnnotationError(f"{path} is no run of annotation; `{command}` makes one")
        self.config = load_annotation_config(self.config_path)
        self._recipes: dict[str, str] = {}

    @property
    def verification_path(self) -> Path:
        """RUN/verification as an absolute path: servers run in folders of their own."""
        return self.path.resolve() / "verification"

    @property
    def votes_path(self) -> Path:
        return self.verification_path / "votes.sqlite"

    @cached_property
    def _listed(self) -> dict[str, str]:
        """What the listing was made of: the inputs as ``init`` was given them, and a digest of the rows."""
        found: dict[str, str] = json.loads(shards.read_recipe(self.listing_path) or "{}")
        return found

    @property
    def run_id(self) -> str:
        """Sixteen digits that stand for the inputs as they were listed; in every task of Label Studio."""
        return hashlib.sha256(self._listed["digest"].encode()).hexdigest()[:16]

    @property
    def images(self) -> str:
        """The inputs as ``qreal annotate init`` was given them."""
        return self._listed["images"]

    @cached_property
    def shard_numbers(self) -> range:
        return range(shards.count_groups(self.listing_path))

    def inputs(self, shard: int) -> list[Row]:
        """Read the listing's rows of a shard."""
        rows: list[Row] = shards.read_group(self.listing_path, shard).to_pylist()
        return rows

    def recipe(self, stage: str) -> str:
        """SHA-256 over everything that the rows of a stage depend on: its settings and, through their recipes, the
        stages before it. What is on disk under another recipe is out of date."""
        if stage not in self._recipes:
            before = [self.recipe(earlier) for earlier in AFTER[stage]]
            settings = settings_of(stage, self.config)
            if stage == "intake":
                settings |= {"listing": self._listed["digest"]}
            content = json.dumps([_FORM, stage, settings, before], sort_keys=True)
            self._recipes[stage] = hashlib.sha256(content.encode()).hexdigest()
        return self._recipes[stage]

    def shard_path(self, stage: str, shard: int) -> Path:
        return self.path / "shards" / stage / f"{shard:06d}.parquet"

    def is_done(self, stage: str, shard: int) -> bool:
        return shards.read_recipe(self.shard_path(stage, shard)) == self.recipe(stage)

    def pending(self, stage: str, among: Iterable[int]) -> list[int]:
        """The shards that are missing or out of date."""
        return [shard for shard in among if not self.is_done(stage, shard)]

    def read(self, stage: str, shard: int, columns: Sequence[str] | None = None) -> list[Row]:
        """Read the rows of a shard."""
        rows: list[Row] = shards.read_table(self.shard_path(stage, shard), columns).to_pylist()
        return rows

    def write(self, stage: str, shard: int, rows: Sequence[Row]) -> None:
        """Put the rows of a shard in place, in one step."""
        shards.write_rows(self.shard_path(stage, shard), rows, SCHEMAS[stage], self.recipe(stage))

    def pictures(self, shard: int) -> list[AcceptedImage]:
        """Read the images of a shard that are annotated: accepted, and no duplicate of an earlier one.

        Raises:
            AnnotationError: intake is not finished, so duplicates are not known.
        """
        if not self.manifest_path.is_file():
            raise AnnotationError(f"{self.path}: intake is not finished; `qreal annotate init` goes on with it")
        columns = ["image_id", "content", "width", "height", "name", "prompt", "prompt_id", "generator"]
        states = shards.read_group(self.manifest_path, shard, ["state"])["state"].to_pylist()
        return [
            AcceptedImage(**row)
            for row, state in zip(self.read("intake", shard, columns), states, strict=True)
            if state == State.DONE
        ]


def write_listing(path: Path, images: str, rows: Sequence[Row], images_per_shard: int) -> None:
    """Write the inputs, a row group a shard: no program reads more of them than it works on."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(sorted(row.items())).encode())
    groups = (
        pa.Table.from_pylist(list(rows[start : start + images_per_shard]), schema=LISTING)
        for start in range(0, len(rows), images_per_shard)
    )
    shards.write_groups(path, groups, LISTING, json.dumps({"images": images, "digest": digest.hexdigest()}))
