"""Where the images of a run come from: what ``qreal_tasks.intake`` opens, and datasets of this benchmark."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.inputs import ImageSource, ListedInput
from qreal_tasks.intake.settings import IntakeSettings
from qreal_tasks.intake.sources import open_source
from qreal_tasks.intake.table import read_row_pictures
from qreal_tasks.shipped import SHIPPED, is_shipped

if TYPE_CHECKING:
    from datasets import Dataset

_CONFIG = "imageqa"
"""The one with whole images."""


@functools.lru_cache(maxsize=1)
def open_images(images: str, intake: IntakeSettings) -> ImageSource:
    """Open a folder, a table, a hub set, or a dataset of this benchmark (``mini``, a folder, or on the hub).

    Raises:
        IntakeError: there is none of that name.
    """
    found = _open_dataset(images, intake.split)
    return open_source(images, intake) if found is None else DatasetSource(found)


class DatasetSource:
    """Source of pictures: the images of a dataset of this benchmark, by their ids."""

    def __init__(self, rows: Dataset) -> None:
        from datasets import Image

        self._rows = rows.cast_column("image", Image(decode=False))

    def listing(self) -> Iterator[ListedInput]:
        for number, row in enumerate(self._rows.select_columns(["image_id", "prompt", "generator", "prompt_id"])):
            yield ListedInput(
                row["image_id"], str(number).encode(), row["prompt"] or "", row["generator"], row["prompt_id"] or ""
            )

    def read(self, locators: Sequence[bytes]) -> Iterator[bytes | IntakeError]:
        return read_row_pictures(self._rows, "image", locators, Path.cwd())

    def stamp(self, locator: bytes) -> str:
        return str(self._rows._fingerprint)


def _open_dataset(images: str, split: str) -> Dataset | None:
    """The rows of a dataset of this benchmark; None for anything else."""
    path = Path(images).expanduser()
    is_layout = (path / "data" / _CONFIG).is_dir() or (path / _CONFIG / "dataset_dict.json").is_file()
    if path.exists() and not is_layout and not is_shipped(images):
        return None
    from qreal_tasks.dataset.loading import open_split
    from qreal_tasks.dataset.source import DatasetError, locate

    try:
        source = locate(images)
        return open_split(source, _CONFIG, split)
    except DatasetError as error:
        if path.exists() or images == SHIPPED:
            raise IntakeError(str(error)) from error
        return None  # of the hub, and perhaps of other columns
