"""Regions in pixels of the stored image, from entities as a model wrote them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from qreal_tasks.answers.entities.fields import Box, DropReason, ParsedEntity
from qreal_tasks.answers.entities.parsing import ParsedEntities
from qreal_tasks.boxes import Space, clip_to_image, to_pixels
from qreal_tasks.records import Region


@dataclass(frozen=True)
class LocatedRegions:
    """The regions of an answer that lie in its image."""

    regions: tuple[Region, ...]
    """In the order of the text, duplicates kept."""
    dropped: dict[str, int]
    """Those of the parser and those that have no area inside the image, by ``DropReason``."""
    clipped: int
    """How many of ``regions`` reached outside the image."""


def locate_regions(
    entities: ParsedEntities, space: Space, width: int, height: int, input_size: tuple[int, int] | None = None
) -> LocatedRegions:
    """Convert the boxes from the declared space, clip them to the image and drop those without area there.

    Args:
        entities: what ``parse_entities`` read.
        space, width, height, input_size: as ``boxes.to_pixels``.

    Raises:
        ValueError: a size is not positive, or ``space`` needs an ``input_size`` that is missing.

    >>> from qreal_tasks.answers import parse_entities
    >>> answer = parse_entities('[{"bbox_2d": [500, 0, 1200, 250], "label": "dog", "description": "legs"}]')
    >>> locate_regions(answer, Space.NORM1000, width=800, height=400).regions[0].bbox_px
    (400.0, 0.0, 800.0, 100.0)
    """
    boxes = [reorder_box(entity, space) for entity in entities.entities]
    boxes_px = to_pixels(boxes, space, width, height, input_size)
    clipped = clip_to_image(boxes_px, width, height)
    regions = []
    for entity, (x1, y1, x2, y2), kept in zip(
        entities.entities, clipped.boxes_px.tolist(), clipped.has_area.tolist(), strict=True
    ):
        if kept:
            regions.append(Region(label=entity.label, bbox_px=(x1, y1, x2, y2), description=entity.description))
    dropped = Counter(entities.dropped)
    if len(regions) < len(entities.entities):
        dropped[DropReason.ZERO_AREA.value] += len(entities.entities) - len(regions)
    return LocatedRegions(tuple(regions), dict(dropped), int((clipped.was_outside & clipped.has_area).sum()))


def reorder_box(entity: ParsedEntity, space: Space) -> Box:
    """The entity's box with its corners in the order of ``space``: a box whose sides were named is x first as read.

    >>> reorder_box(ParsedEntity("dog", (1.0, 2.0, 3.0, 4.0), "", named=True), Space.NORM1000_YX)
    (2.0, 1.0, 4.0, 3.0)
    """
    x1, y1, x2, y2 = entity.box
    return (y1, x1, y2, x2) if entity.named and space is Space.NORM1000_YX else entity.box
