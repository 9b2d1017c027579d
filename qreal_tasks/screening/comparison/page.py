"""A comparison of generators as one HTML page that needs nothing else: rates, differences, images side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from qreal_tasks import __version__
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES
from qreal_tasks.files.regular import read_bytes
from qreal_tasks.pages.environment import page_environment, write_page
from qreal_tasks.pages.pictures import as_data_url
from qreal_tasks.pages.shapes import farthest_end
from qreal_tasks.screening.comparison.comparison import DIMENSIONS, GeneratorComparison
from qreal_tasks.screening.comparison.groups import PairedBy
from qreal_tasks.screening.comparison.moved_images import MOVED, ShownImage
from qreal_tasks.screening.comparison.text import (
    conclude,
    describe_impossible,
    shown_ends,
    weigh,
    write_notes,
)
from qreal_tasks.screening.rows import ROWS_FILE
from qreal_tasks.screening.thumbnails import thumbnail_path

_MOST_BOXES = 12


@dataclass(frozen=True)
class FlawBox:
    """A flawed entity's box, in per cent of the picture."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class ImageCard:
    """An image as the page shows it."""

    image: str
    severity: float
    url: str | None
    """Its thumbnail; None where there is none."""
    ratio: float
    """Width over height."""
    boxes: tuple[FlawBox, ...]
    reason: str


def write_comparison_page(comparison: GeneratorComparison, path: Path) -> None:
    """Write the page.

    Raises:
        OSError: it cannot be written.
    """
    baseline = comparison.groups[0].name
    others = ", ".join(group.name for group in comparison.groups[1:])
    text = (
        page_environment("qreal_tasks.screening.comparison")
        .get_template("comparison.html.j2")
        .render(
            title=f"{others} against {baseline}",
            version=__version__,
            comparison=comparison,
            conclusion=conclude(comparison),
            notes=write_notes(comparison),
            warnings=describe_impossible(comparison),
            paired=comparison.pairing is not PairedBy.NONE,
            kinds=(("Dimensions", DIMENSIONS), ("Questions", QUESTION_NAMES), ("Body parts", BODY_PARTS)),
            moved_from=MOVED,
            shown_ends=shown_ends,
            weigh=weigh,
            scale=farthest_end(row.difference for pair in comparison.pairs for row in pair.rows.values()),
            cards=_collect_cards(comparison),
        )
    )
    write_page(path, text)


def _collect_cards(comparison: GeneratorComparison) -> dict[tuple[str, str], ImageCard]:
    """A card for every image that is shown, by group and image."""
    folders = {group.name: group.folder for group in comparison.groups}
    wanted: dict[tuple[str, str], ShownImage] = {}
    for pair in comparison.pairs:
        for moved in (*pair.moved.worst, *pair.moved.best) if pair.moved else ():
            wanted[pair.against, moved.against.image] = moved.against
            wanted[pair.run, moved.run.image] = moved.run
    rows: dict[Path, dict[str, dict[str, Any]]] = {}
    for folder in set(folders.values()):
        names = sorted({image for group, image in wanted if folders[group] == folder})
        rows[folder] = _read_some(folder, names) if names else {}
    return {
        key: _make_card(shown, folders[key[0]], rows[folders[key[0]]][shown.image]) for key, shown in wanted.items()
    }


def _read_some(folder: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    columns = ["image", "width", "height", "entities"]
    table = pq.read_table(folder / ROWS_FILE, columns=columns, filters=[("image", "in", names)])
    return {row["image"]: row for row in table.to_pylist()}


def _make_card(shown: ShownImage, folder: Path, row: dict[str, Any]) -> ImageCard:
    try:
        url = as_data_url(read_bytes(thumbnail_path(folder, shown.pixels)))
    except (OSError, ValueError):  # a page without one is a page
        url = None
    width, height = row["width"], row["height"]
    flawed = [one for one in row["entities"] if any((one[f"p_{name}"] or 0) >= 0.5 for name in DIMENSIONS)]
    boxes = tuple(
        FlawBox(100 * x1 / width, 100 * y1 / height, 100 * (x2 - x1) / width, 100 * (y2 - y1) / height)
        for x1, y1, x2, y2 in (one["bbox"] for one in flawed[:_MOST_BOXES])
    )
    reasons = [text for one in row["entities"] for text in one["reasons"].values() if text]
    return ImageCard(shown.image, shown.severity, url, width / height, boxes, reasons[0] if reasons else "")
