"""Drawing a whole set into a folder in hub layout.

The same arguments give the same bytes in every file, whatever the number of workers: each image depends only
on its own plan, and the plans only on the arguments. (Another version of Pillow or of Arrow may write other
bytes for the same content.)
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.dataset.schema import CONFIGS, FEATURES, SPLITS
from qreal_tasks.files.atomic import new_folder
from qreal_tasks.mini.card import format_card
from qreal_tasks.mini.plan import ImagePlan, plan_images
from qreal_tasks.mini.prompts import MIN_IMAGES
from qreal_tasks.mini.rows import DrawnRows, Row, draw_rows

_ROWS_PER_GROUP = 200
"""A group is read as a whole; small enough for the hub's viewer."""


@dataclass(frozen=True)
class SplitSummary:
    """Counts of one split and, by question, the share of entities whose answer is Yes."""

    images: int
    portraits: int
    entities: int
    yes_shares: Mapping[str, float]


@dataclass(frozen=True)
class MiniSummary:
    """What ``draw_mini`` wrote; ``bytes`` counts all files."""

    folder: Path
    splits: Mapping[str, SplitSummary]
    bytes: int


def draw_mini(
    folder: Path,
    images: int,
    seed: int,
    *,
    portrait_share: float = 0.25,
    test_share: float = 0.4,
    workers: int = 1,
) -> MiniSummary:
    """Draw a set of that many images and write it as a dataset in hub layout.

    Args:
        folder: empty or not there; appears whole, or not at all.
        images: at least ``MIN_IMAGES``; an image has about two entities.
        seed: of everything random.
        portrait_share: of the prompts, those that ask for a portrait, between 0 and 1.
        test_share: of the prompts, those of the test split, between 0 and 1.
        workers: processes that draw; with more than one, the calling script needs the usual
            ``if __name__ == "__main__"``.

    Raises:
        ValueError: an argument is out of range.
        OSError: ``folder`` holds something already, or cannot be written.
    """
    _check(images, {"portrait_share": portrait_share, "test_share": test_share}, workers)
    plans = plan_images(images, seed, portrait_share, test_share)
    with new_folder(folder) as made:
        drawn = _draw_all(plans, workers)
        splits = {split: [rows for rows in drawn if rows.split == split] for split in SPLITS}
        summaries = {split: _summary(rows) for split, rows in splits.items()}
        for split, rows in splits.items():
            by_config = {
                "objectqa": [row for image in rows for row in image.objectqa],
                "imageqa": [image.imageqa for image in rows],
            }
            for config in CONFIGS:
                _write(by_config[config], config, made / parquet_name(config, split))
        counts = {split: (s.images, s.entities, s.yes_shares) for split, s in summaries.items()}
        (made / "README.md").write_text(format_card(images, seed, counts), encoding="utf-8", newline="\n")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return MiniSummary(folder, summaries, size)


def parquet_name(config: str, split: str) -> str:
    """Where a split of a config lies, relative to the dataset's folder."""
    return f"data/{config}/{split}-00000-of-00001.parquet"


def _check(images: int, shares: Mapping[str, float], workers: int) -> None:
    """Refuse what cannot work before anything is drawn."""
    if images < MIN_IMAGES:
        raise ValueError(
            f"images is {images}, expected at least {MIN_IMAGES}: both splits need portraits and other scenes"
        )
    for name, share in shares.items():
        if not 0 < share < 1:
            raise ValueError(f"{name} is {share}, expected a number between 0 and 1, both excluded")
    if workers < 1:
        raise ValueError(f"workers is {workers}, expected at least 1")


def _draw_all(plans: Sequence[ImagePlan], workers: int) -> list[DrawnRows]:
    """Every image, in the order of the plans."""
    if workers == 1:
        return [draw_rows(plan) for plan in plans]
    # Spawned, because a fork of a process with Arrow's threads can hang.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(draw_rows, plans, chunksize=max(1, min(32, len(plans) // (4 * workers)))))


def _write(rows: Sequence[Row], config: str, path: Path) -> None:
    """One parquet file with the features of the schema in its metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows), schema=FEATURES[config].arrow_schema)
    pq.write_table(table, path, compression="zstd", row_group_size=_ROWS_PER_GROUP)


def _summary(rows: Iterable[DrawnRows]) -> SplitSummary:
    """Count images, portraits, entities and answers."""
    images = list(rows)
    entities = [row for image in images for row in image.objectqa]
    shares = {name: sum(row[name] for row in entities) / len(entities) for name in QUESTION_NAMES}
    return SplitSummary(len(images), sum(bool(image.imageqa["is_portrait"]) for image in images), len(entities), shares)
