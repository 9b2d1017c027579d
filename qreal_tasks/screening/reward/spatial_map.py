"""The reward of every pixel: 1 minus the probability that something there is flawed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from qreal_tasks.boxes import pixel_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qreal_tasks.screening.assessment import EntityAssessment


def draw_reward_map(width: int, height: int, entities: Iterable[EntityAssessment]) -> NDArray[np.float32]:
    """A map of shape (height, width), from 0 to 1: at every pixel the product of ``1 - importance`` over the entities
    whose boxes touch it, so 1 minus the probability of a flaw there (``assessment.any_of``), and 1 outside all boxes.

    With ``Weighting.EQUAL`` an entity's importance is its probability of a flaw; with ``Weighting.AREA`` it is that
    times the share of the image that its box covers. An entity without importance leaves its pixels as they are.
    """
    kept = np.ones((height, width))
    for entity in entities:
        if entity.importance is not None:
            x1, y1, x2, y2 = pixel_box(entity.box_px, width, height)
            kept[y1:y2, x1:x2] *= 1 - entity.importance
    return kept.astype(np.float32)
