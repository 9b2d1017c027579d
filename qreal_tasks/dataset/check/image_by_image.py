"""The pictures of a split, image by image: each with the crops that were cut from it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from datasets import Dataset, Image

from qreal_tasks.dataset.check.boxes import Fault, fault_of
from qreal_tasks.dataset.check.pictures import DecodedPicture, check_row_picture, read_picture
from qreal_tasks.dataset.check.problem import DatasetProblem
from qreal_tasks.dataset.check.repeats import ShownPicture, digest_of
from qreal_tasks.dataset.check.rows import Row, nulls_of, nulls_of_image
from qreal_tasks.images import PictureError

ID_OF = {"imageqa": "image_id", "objectqa": "entity_id"}
"""The column that identifies a row of each config."""

_MOST_WORKERS = 8
"""Each has one image with its crops in memory."""


@dataclass(frozen=True)
class Group:
    """An image and its crops, by row number; crops without an image come alone. Rows with nulls are in none."""

    image: int | None
    crops: Sequence[int]


@dataclass
class Seen:
    """What was seen of the pictures of a group."""

    problems: list[DatasetProblem] = field(default_factory=list)
    shown: list[ShownPicture] = field(default_factory=list)
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    """What is wrong with boxes, each with its config."""


class SplitPictures:
    """The pictures of one split.

    Args:
        split: its name.
        opened: by config, with the column ``image``.
        rows: by config, without it.
        own_folder: of the set, if it has one.
    """

    def __init__(
        self, split: str, opened: Mapping[str, Dataset], rows: Mapping[str, Sequence[Row]], own_folder: Path | None
    ) -> None:
        self._split, self._rows, self._own_folder = split, rows, own_folder
        self._stored = {
            config: found.select_columns("image").cast_column("image", Image(decode=False))
            for config, found in opened.items()
        }
        self.groups = _groups(rows["imageqa"], rows["objectqa"])

    def look(self) -> Iterator[Seen]:
        """Decode every picture once; what was seen of the groups, in their order."""
        pool = ThreadPoolExecutor(min(_MOST_WORKERS, os.cpu_count() or 1))
        try:
            yield from pool.map(self._look_at, self.groups)
        finally:
            pool.shutdown(cancel_futures=True)

    def _look_at(self, group: Group) -> Seen:
        seen = Seen()
        whole = None if group.image is None else self._read(seen, "imageqa", group.image)
        digest = digest_of(whole.rgb, is_crop=False) if whole else None
        if group.image is not None and digest:
            seen.shown.append(self._shown("imageqa", group.image, digest, None))
        crops = {number: self._read(seen, "objectqa", number) for number in group.crops}
        for number, crop in crops.items():
            if crop and (digest_of_crop := digest_of(crop.rgb, is_crop=True)):
                seen.shown.append(self._shown("objectqa", number, digest_of_crop, digest))
        if group.image is not None:
            self._check_boxes(seen, group.image, whole, crops)
        return seen

    def _read(self, seen: Seen, config: str, number: int) -> DecodedPicture | None:
        """The picture of a row; what is wrong with it is noted."""
        row = self._rows[config][number]
        item = row[ID_OF[config]]
        try:
            picture = read_picture(self._stored[config][number]["image"], self._own_folder)
        except PictureError as error:
            seen.problems.append(DatasetProblem(config, self._split, number, item, "image", str(error)))
            return None
        found = check_row_picture(picture, row, item)
        seen.problems += [DatasetProblem(config, self._split, number, *one) for one in found]
        return picture

    def _shown(self, config: str, number: int, digest: str, image_digest: str | None) -> ShownPicture:
        row = self._rows[config][number]
        return ShownPicture(config, self._split, number, row[ID_OF[config]], row["image_id"], digest, image_digest)

    def _check_boxes(
        self, seen: Seen, number: int, whole: DecodedPicture | None, crops: Mapping[int, DecodedPicture | None]
    ) -> None:
        """The boxes of an image in both configs; one that is the same in both is looked at once."""
        image = self._rows["imageqa"][number]
        size = whole.rgb.size if whole else (image["width"], image["height"])
        faults: dict[int, Fault | None] = {}
        row_of: dict[str, int] = {}
        for row_number, crop in crops.items():
            row = self._rows["objectqa"][row_number]
            row_of.setdefault(row["entity_id"], row_number)
            faults[row_number] = fault_of(row_number, row["entity_id"], row["bbox"], size, whole, crop)
        for entity in image["entities"]:
            item, box = entity["entity_id"], entity["bbox"]
            at = row_of.get(item)
            box_of_crop = None if at is None else self._rows["objectqa"][at]["bbox"]
            if box == box_of_crop:
                continue
            fault = fault_of(number, item, box, size, whole, None if at is None else crops[at])
            if fault:
                seen.faults.append(("imageqa", fault))
            elif at is not None and not faults[at]:
                message = f"bbox is {box_of_crop} here and {box} for the entity in imageqa, expected the same"
                seen.problems.append(DatasetProblem("objectqa", self._split, at, item, "disagreement", message))
        seen.faults += [("objectqa", fault) for fault in faults.values() if fault]


def _groups(images: Sequence[Row], crops: Sequence[Row]) -> list[Group]:
    rows_of: dict[str, list[int]] = {}
    for number, crop in enumerate(crops):
        if not any(nulls_of(crop, "")):
            rows_of.setdefault(crop["image_id"], []).append(number)
    groups = [
        Group(number, rows_of.pop(image["image_id"], ()))
        for number, image in enumerate(images)
        if not nulls_of_image(image)
    ]
    return groups + [Group(None, [number]) for numbers in rows_of.values() for number in numbers]
