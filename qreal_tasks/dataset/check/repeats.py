"""One picture in several rows, by a digest over the pixels that models are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image as PillowImage

from qreal_tasks.dataset.check.problem import DatasetProblem
from qreal_tasks.images import pixels_digest


@dataclass(frozen=True)
class ShownPicture:
    """Which pixels a row shows."""

    config: str
    split: str
    row: int
    item: str
    image_id: str
    digest: str
    image_digest: str | None = None
    """What its image shows, if this is a crop of one."""


@dataclass
class Repeats:
    """The pictures met so far; of every picture the first row is kept, as a digest."""

    _first: dict[tuple[str, str], ShownPicture] = field(default_factory=dict)

    def problems(self, shown: ShownPicture) -> Iterator[DatasetProblem]:
        """Enter a picture, and say which row showed it before.

        A crop is no repetition where its image is one, nor is the same box twice in an image.
        """
        first = self._first.setdefault((shown.config, shown.digest), shown)
        if first.image_id == shown.image_id or (shown.image_digest and first.image_digest == shown.image_digest):
            return
        told = f"shows the same pixels as {first.config}/{first.split} row {first.row}, {first.item}; "
        if first.split != shown.split:
            kind = "picture in both splits"
            told += "expected a picture in one split, so that no model is tested on what it was trained on"
        else:
            kind, told = "picture twice", told + "expected one row a picture, or it counts twice"
        yield DatasetProblem(shown.config, shown.split, shown.row, shown.item, kind, told)


def digest_of(rgb: PillowImage.Image, *, is_crop: bool) -> str | None:
    """What identifies a picture; None for a crop of one colour, which other images may hold as well."""
    if is_crop and len(rgb.getcolors(1) or ()) == 1:
        return None
    return pixels_digest(rgb)
