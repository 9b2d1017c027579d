"""The twelve scenes of the demonstration. The project has drawn them, so the truth about them is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotation.run.schemas import Row
from qreal_tasks.benchmark import ANSWERS, BODY_PARTS, QUESTION_NAMES, Dimension
from qreal_tasks.boxes import iou_matrix
from qreal_tasks.dataset.drawn import MINI_FOLDER
from qreal_tasks.mini.prompts import CAST
from qreal_tasks.mini.read import decode_pixels, read_drawn_rows

Box = tuple[float, float, float, float]

SCENES = 12
SAME_IOU = 0.5
"""A box that overlaps a drawn entity so far shows that entity."""
_FIRST, _STEP = 3, 12
"""Spread over the embedded set: ten generators, twelve prompts, scenes and portraits."""
_FINE = "No issue"
"""What texts about entities and parts without a flaw begin with."""


@dataclass(frozen=True)
class PlantedEntity:
    """A drawn entity, and what is true of it by construction."""

    entity_id: str
    label: str
    box_px: Box
    quality: float
    answers: dict[str, str]
    """Question to Yes or No."""
    descriptions: dict[str, str]
    """Dimension to its description."""
    parts: dict[str, str | None]
    """Body part to what is wrong with it."""

    @property
    def is_person(self) -> bool:
        return self.label in CAST["person"]


@dataclass(frozen=True)
class Scene:
    """A drawn picture."""

    content: bytes
    """The file, a PNG."""
    pixels: NDArray[np.uint8]
    prompt: str
    generator: str
    entities: tuple[PlantedEntity, ...]

    def at(self, box_px: Sequence[float], least_iou: float = SAME_IOU) -> PlantedEntity | None:
        """The entity that a box overlaps most; None where it overlaps none by ``least_iou``."""
        overlaps = iou_matrix([box_px], [one.box_px for one in self.entities])[0]
        best = int(overlaps.argmax())
        return self.entities[best] if overlaps[best] >= least_iou else None


def load_demo_scenes() -> list[Scene]:
    """Load the scenes of the demonstration, the same twelve each time."""
    return [_scene(row) for row in load_mini_rows()[_FIRST::_STEP][:SCENES]]


def load_mini_rows() -> list[Row]:
    """Load all rows of the embedded set's ``imageqa``, those for training first."""
    return [row for split in ("train", "test") for row in read_drawn_rows(MINI_FOLDER, "imageqa", split)]


def write_pictures(folder: Path, pictures: Iterable[tuple[bytes, str, str]]) -> Path:
    """Write a folder as ``qreal annotate init`` takes it: generator/name.png, with the prompt beside it.

    Args:
        pictures: the file's bytes, the prompt and the generator of each.
    """
    for number, (content, prompt, generator) in enumerate(pictures):
        path = folder / generator / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.with_suffix(".txt").write_text(prompt, encoding="utf-8")
    return folder


def locate_crop(crop: NDArray[np.uint8], scenes: Sequence[Scene]) -> tuple[Scene, Box] | None:
    """Find the scene that a lossless crop was cut from, and where; None when it is of none of them."""
    for scene in scenes:
        corner = _place(crop, scene.pixels)
        if corner is not None:
            x, y = corner
            return scene, (float(x), float(y), float(x + crop.shape[1]), float(y + crop.shape[0]))
    return None


def _place(crop: NDArray[np.uint8], whole: NDArray[np.uint8]) -> tuple[int, int] | None:
    """Find the first x, y at which the crop lies in the picture, pixel for pixel."""
    height, width, _ = crop.shape
    rows, columns = whole.shape[0] - height + 1, whole.shape[1] - width + 1
    if rows < 1 or columns < 1:
        return None
    fits = np.ones((rows, columns), bool)
    for y, x in ((0, 0), (height - 1, width - 1), (height // 2, width // 2), (0, width - 1), (height - 1, 0)):
        fits &= (whole[y : y + rows, x : x + columns] == crop[y, x]).all(axis=2)
    for y, x in np.argwhere(fits):
        if np.array_equal(whole[y : y + height, x : x + width], crop):
            return int(x), int(y)
    return None


def _scene(row: Row) -> Scene:
    return Scene(
        row["image"]["bytes"],
        decode_pixels(row),
        row["prompt"],
        row["generator"],
        tuple(_planted(entity) for entity in row["entities"]),
    )


def _planted(entity: Row) -> PlantedEntity:
    x1, y1, x2, y2 = entity["bbox"]
    parts = entity["parts"] or dict.fromkeys(BODY_PARTS)
    return PlantedEntity(
        entity["entity_id"],
        entity["label"],
        (x1, y1, x2, y2),
        entity["quality_score"],
        {name: ANSWERS[entity[name]] for name in QUESTION_NAMES},
        {str(dimension): entity[f"{dimension}_description"] for dimension in Dimension},
        {part: None if (parts[part] or _FINE).startswith(_FINE) else parts[part] for part in BODY_PARTS},
    )
