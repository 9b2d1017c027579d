"""The pictures of a report: from the dataset, shrunk, as data addresses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from qreal_tasks.images import as_rgb
from qreal_tasks.pages.pictures import encode_data_url
from qreal_tasks.text.redaction import without_private

IMAGE_SIDE_PX, CROP_SIDE_PX = 720, 260
_QUALITY = 80


@dataclass(frozen=True)
class ReportPictures:
    """Data addresses by id, and why there are none where there are none."""

    images: Mapping[str, str] = field(default_factory=dict)
    crops: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    """Why pictures are missing altogether."""
    trouble: Mapping[str, str] = field(default_factory=dict)
    """Id to the reason why this one is missing."""

    def why_missing(self, name: str) -> str:
        """The reason, for the place where the picture would be."""
        return self.trouble.get(name) or self.problem or "not looked for"


def load_pictures(data: str, sizes: Mapping[str, tuple[int, int]], entities: Collection[str]) -> ReportPictures:
    """Read pictures of the test split.

    Args:
        data: what the records call the dataset, or where else it is.
        sizes: image to the width and height that its record states; a picture of another size is not shown, since the
            boxes would not fit it.
        entities: ids whose crops are wanted.

    Returns:
        Whatever could be read. Nothing is raised: a report without pictures is a report.
    """
    if not sizes and not entities:
        return ReportPictures()
    from qreal_tasks.dataset.loading import load
    from qreal_tasks.dataset.source import DatasetError, locate

    trouble: dict[str, str] = {}
    images: dict[str, str] = {}
    crops: dict[str, str] = {}
    try:
        source = locate(data)
        for config, column, wanted, side, into in (
            ("imageqa", "image_id", set(sizes), IMAGE_SIDE_PX, images),
            ("objectqa", "entity_id", set(entities), CROP_SIDE_PX, crops),
        ):
            if wanted:
                rows = load(source, config, "test")
                _read(rows, column, wanted, sizes, side, into, trouble)
    except DatasetError as error:
        return ReportPictures(images, crops, without_private(f"the dataset cannot be read: {error}"), trouble)
    return ReportPictures(images, crops, None, trouble)


def _read(
    rows: Any,
    column: str,
    wanted: set[str],
    sizes: Mapping[str, tuple[int, int]],
    side: int,
    into: dict[str, str],
    trouble: dict[str, str],
) -> None:
    place = {name: number for number, name in enumerate(rows[column]) if name in wanted}
    for name in sorted(wanted):
        if name not in place:
            trouble[name] = "not in the test split of the dataset that was found"
            continue
        try:
            image = as_rgb(rows[place[name]]["image"])
        except (OSError, ValueError, SyntaxError) as error:  # SyntaxError: Pillow, on damaged PNG files
            trouble[name] = without_private(f"cannot be decoded: {error}")
            continue
        expected = sizes.get(name, image.size)
        if image.size != expected:
            found, stated = (" × ".join(map(str, size)) for size in (image.size, expected))
            trouble[name] = f"is {found} px in the dataset that was found, {stated} px in the run; another dataset?"
            continue
        into[name] = encode_data_url(image, side, _QUALITY)
