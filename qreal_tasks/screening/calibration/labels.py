"""What people say about screened images: rows of a run joined with the labels of a dataset.

found = label_rows(read_rows(out), locate("org/name"), "test")
found.images[Dimension.REALISM]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from qreal_tasks.benchmark import Dimension
from qreal_tasks.screening.calibration.fit import LabelledImage
from qreal_tasks.screening.rows import ScreeningRow

if TYPE_CHECKING:
    from datasets import Dataset

    from qreal_tasks.dataset.source import Source


class ImageLabel(NamedTuple):
    """What people say about one image of a dataset."""

    image_id: str
    prompt_id: str
    size: tuple[int, int]
    flawed: dict[Dimension, bool]


class _JudgedImage(NamedTuple):
    """What a run says about an image: the probabilities before any calibration."""

    p: dict[Dimension, float | None]
    size: tuple[int, int]
    pixels: str


@dataclass(frozen=True)
class LabelledRows:
    """The images of a run that a dataset has labels for."""

    images: dict[Dimension, list[LabelledImage]]
    n_matched: int
    n_labels: int
    n_rows: int
    """Images of the run that were judged."""
    unread: dict[Dimension, int]
    """Matched images without a probability, which are left out."""

    @property
    def n_prompts(self) -> int:
        """Prompts of the images, in whichever dimension."""
        return len({one.prompt for images in self.images.values() for one in images})


def label_rows(rows: Iterable[ScreeningRow], source: Source, split: str) -> LabelledRows:
    """Find the label of every image of a run.

    An image is matched by its name, which is the dataset's ``image_id`` or a file of that name, and the same size;
    where that finds none, by its pixels. It is flawed in a dimension when some entity of it is.

    Raises:
        DatasetError: the dataset is not there, or is not what the schema says.
        ValueError: no image of the run is one of the dataset.
    """
    from qreal_tasks.dataset.loading import load_split

    data = load_split(source, "imageqa", split)
    labels = _read_labels(data)
    judged, by_name, examples, n_rows = _index_rows(rows)
    named = {at: by_name[label.image_id] for at, label in enumerate(labels) if label.image_id in by_name}
    matched = {at: name for at, name in named.items() if judged[name].size == labels[at].size}
    by_pixels = {one.pixels: name for name, one in judged.items() if name not in set(matched.values())}
    if by_pixels:
        for at in (place for place in range(len(labels)) if place not in matched):
            if (name := by_pixels.get(_digest(data[at]["image"]) or "")) is not None:
                matched[at] = name
    if not matched:
        raise ValueError(
            f"none of the {n_rows:,} judged images is one of the {len(labels):,} of {source.name}, split {split}: "
            f"the run has {', '.join(examples) or 'none'}, the dataset {labels[0].image_id}; screen "
            f"that split (qreal screen {source.name} --split {split}), or name the one that was screened (--split)"
        )
    return _join(labels, matched, judged, n_rows)


def _read_labels(data: Dataset) -> list[ImageLabel]:
    return [
        ImageLabel(
            row["image_id"],
            row["prompt_id"],
            (row["width"], row["height"]),
            {one: any(entity[f"{one}_flawed"] for entity in row["entities"]) for one in Dimension},
        )
        for row in data.remove_columns("image")
    ]


def _index_rows(rows: Iterable[ScreeningRow]) -> tuple[dict[str, _JudgedImage], dict[str, str], list[str], int]:
    """What the run says by name; the name of an image by each text that may be its id; some names; how many rows."""
    judged: dict[str, _JudgedImage] = {}
    stems: dict[str, list[str]] = {}
    for row in rows:
        if row["pixels"] is None or row["width"] is None or row["height"] is None:
            continue
        p = {Dimension.REALISM: row["raw_p_realism"], Dimension.PLAUSIBILITY: row["raw_p_plausibility"]}
        judged[row["image"]] = _JudgedImage(p, (row["width"], row["height"]), row["pixels"])
        stems.setdefault(PurePosixPath(row["image"]).stem, []).append(row["image"])
    by_name = {stem: names[0] for stem, names in stems.items() if len(names) == 1}
    return judged, by_name | {name: name for name in judged}, list(judged)[:2], len(judged)


def _digest(image: Any) -> str | None:
    from qreal_tasks.api.pictures import open_picture
    from qreal_tasks.images import PictureError, pixels_digest

    try:
        return pixels_digest(open_picture(image))
    except PictureError:
        return None


def _join(
    labels: list[ImageLabel], matched: dict[int, str], judged: dict[str, _JudgedImage], n_rows: int
) -> LabelledRows:
    images: dict[Dimension, list[LabelledImage]] = {one: [] for one in Dimension}
    unread = dict.fromkeys(Dimension, 0)
    for at, name in sorted(matched.items()):
        label = labels[at]
        for one in Dimension:
            p = judged[name].p[one]
            if p is None:
                unread[one] += 1
            else:
                images[one].append(LabelledImage(p, label.flawed[one], label.prompt_id))
    return LabelledRows(images, len(matched), len(labels), n_rows, unread)
