"""A screening run on disk.

OUT/screening.json           what it is made with, and at the end the counts
OUT/shards/NNNNN.parquet     the judged images of a shard, each picture once, written in one step
OUT/images.partial.jsonl     grows while it runs
OUT/images.{parquet,jsonl,csv}, summary.json, index.html, thumbnails/    at the end
OUT/work/listing.parquet     the inputs as they are listed now
OUT/work/plan.parquet        every file that was ever listed; a row group is a shard
OUT/work/checked/NNNNN.parquet   which of them are pictures, with the digest of their pixels
OUT/work/claims.parquet      the pictures that each shard judges
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa

from qreal_tasks.files.locks import hold_lock
from qreal_tasks.screening.rows import SCHEMA, ScreeningRow, make_table
from qreal_tasks.screening.run.errors import ScreeningError
from qreal_tasks.screening.run.record import RECORD
from qreal_tasks.shards import parquet_files

_TEXT, _INT = pa.string(), pa.int32()
LISTING = pa.schema(
    [
        ("name", _TEXT),
        ("key", pa.binary()),
        *((name, _TEXT) for name in ("prompt", "prompt_id", "generator", "problem")),
    ]
)
"""``key`` names the file as it is now; null where ``problem`` says why there is none."""
PLAN = pa.schema([("name", _TEXT), ("key", pa.binary()), ("locator", pa.binary())])
CHECKED = pa.schema([("pixels", pa.binary()), ("width", _INT), ("height", _INT), ("reason", _TEXT)])
"""Aligned with the plan's rows; ``reason`` says why there are no pixels."""
CLAIMS = pa.schema(
    [("name", _TEXT), ("locator", pa.binary()), ("pixels", pa.binary()), ("width", _INT), ("height", _INT)]
)
Row = dict[str, Any]


class ScreeningFolder:
    """The files of a run in the folder ``out``."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.record_path = out / RECORD
        self.partial_path = out / "images.partial.jsonl"
        self.work_path = out / "work"
        self.listing_path = self.work_path / "listing.parquet"
        self.plan_path = self.work_path / "plan.parquet"
        self.claims_path = self.work_path / "claims.parquet"

    def lock(self) -> AbstractContextManager[int]:
        """Let one program at a time work on the run.

        Raises:
            ScreeningError: another program holds it.
        """
        return hold_lock(self.out / ".lock", ScreeningError(f"another program screens into {self.out}; let it end"))

    @property
    def shard_count(self) -> int:
        return parquet_files.count_groups(self.plan_path) if self.plan_path.exists() else 0

    def checked_path(self, shard: int) -> Path:
        return self.work_path / "checked" / f"{shard:05d}.parquet"

    def judged_path(self, shard: int) -> Path:
        return self.out / "shards" / f"{shard:05d}.parquet"

    def has_judged(self, recipe: str | None = None) -> bool:
        """Whether a picture is judged, with this recipe, or by whatever model."""
        return any(
            parquet_files.count_rows(path) and recipe in (None, parquet_files.read_recipe(path))
            for path in self.judged_path(0).parent.glob("*.parquet")
        )

    def write_checked(self, shard: int, rows: list[Row], recipe: str) -> None:
        """Put what became of a shard's files in place, in one step."""
        parquet_files.write_table(self.checked_path(shard), pa.Table.from_pylist(rows, schema=CHECKED), recipe)

    def write_judged(self, shard: int, rows: list[ScreeningRow], recipe: str) -> None:
        """Put the judged images of a shard in place, in one step."""
        parquet_files.write_table(self.judged_path(shard), make_table(rows), recipe)

    def read_judged(self, shard: int) -> list[ScreeningRow]:
        """Read the judged images of a shard."""
        rows: list[ScreeningRow] = parquet_files.read_table(self.judged_path(shard), SCHEMA.names).to_pylist()
        return rows

    def write_listing(self, rows: Iterable[Row], recipe: str) -> None:
        """Write the inputs as they are listed now."""
        parquet_files.write_groups(self.listing_path, _as_tables(rows, 1_000, LISTING), LISTING, recipe)

    def read_listing(self) -> Iterator[Row]:
        """The inputs as they are listed now, few in memory at a time."""
        for group in parquet_files.read_groups(self.listing_path):
            yield from group.to_pylist()

    def read_plan(self, shard: int) -> list[Row]:
        """The files of a shard."""
        rows: list[Row] = parquet_files.read_group(self.plan_path, shard).to_pylist()
        return rows

    def read_planned_keys(self) -> Iterator[list[bytes]]:
        """The keys of the files of each shard."""
        if self.plan_path.exists():
            for group in parquet_files.read_groups(self.plan_path, ["key"]):
                yield group["key"].to_pylist()

    def extend_plan(self, rows: Iterable[Row], images_per_shard: int) -> None:
        """Add shards for more files; those that are there stay as they are."""

        def groups() -> Iterator[pa.Table]:
            if self.plan_path.exists():
                yield from parquet_files.read_groups(self.plan_path)
            yield from _as_tables(rows, images_per_shard, PLAN)

        parquet_files.write_groups(self.plan_path, groups(), PLAN, "plan")

    def write_claims(self, claims: Iterable[list[Row]]) -> None:
        """Write which pictures each shard judges; a row group a shard."""
        tables = (pa.Table.from_pylist(rows, schema=CLAIMS) for rows in claims)
        parquet_files.write_groups(self.claims_path, tables, CLAIMS, "claims")

    def read_claims(self, shard: int) -> list[Row]:
        """The pictures that a shard judges."""
        rows: list[Row] = parquet_files.read_group(self.claims_path, shard).to_pylist()
        return rows


def make_recipe(*content: object) -> str:
    """SHA-256 over what something is made with."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _as_tables(rows: Iterable[Row], size: int, schema: pa.Schema) -> Iterator[pa.Table]:
    held: list[Row] = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield pa.Table.from_pylist(held, schema=schema)
            held = []
    if held:
        yield pa.Table.from_pylist(held, schema=schema)
