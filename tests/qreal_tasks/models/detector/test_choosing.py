"""Which boxes count: thresholds, overlaps, and the order they come in."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from qreal_tasks.models.detector.candidates import CandidateBox, select_candidates, suppress_overlaps
from qreal_tasks.models.detector.settings import DetectionSettings

LEFT, NEARLY_LEFT, HALF_LEFT, RIGHT = (0, 0, 40, 40), (0, 0, 40, 41), (0, 0, 40, 60), (50, 0, 90, 40)


def box(phrase: int, corners: tuple[float, ...], score: float) -> CandidateBox:
    return CandidateBox(phrase, corners, score)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        pytest.param([], [], id="none"),
        pytest.param([(0, LEFT, 0.9), (0, RIGHT, 0.8)], [0, 1], id="two of one name"),
        pytest.param([(0, LEFT, 0.5), (0, NEARLY_LEFT, 0.9)], [1], id="one name, one place"),
        pytest.param([(0, LEFT, 0.9), (0, HALF_LEFT, 0.8)], [0, 1], id="one name, less than .7 shared"),
        pytest.param([(0, LEFT, 0.5), (1, NEARLY_LEFT, 0.9)], [1], id="two names, one place: the better"),
        pytest.param([(1, LEFT, 0.9), (0, LEFT, 0.9)], [1], id="two names, equal: the first"),
        pytest.param([(0, LEFT, 0.9), (1, HALF_LEFT, 0.8)], [0, 1], id="two names, part of each other"),
        pytest.param([(1, LEFT, 0.9), (0, RIGHT, 0.1)], [1, 0], id="in the order of names"),
    ],
)
def test_overlaps(found: list[tuple[int, Any, float]], kept: list[int]) -> None:
    boxes = [box(*one) for one in found]
    expected = [boxes[place] for place in kept]
    for seed in range(5):
        shuffled = random.Random(seed).sample(boxes, len(boxes))
        assert suppress_overlaps(shuffled, DetectionSettings()) == expected


def test_at_most_so_many_of_a_name() -> None:
    boxes = [box(0, (20 * n, 0, 20 * n + 10, 10), 0.9 - n / 100) for n in range(6)] + [box(1, (0, 50, 9, 60), 0.5)]
    assert suppress_overlaps(boxes, DetectionSettings(max_boxes_per_phrase=2)) == [boxes[0], boxes[1], boxes[6]]


def test_thresholds_and_areas() -> None:
    boxes = np.array([[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.01, 0.01], [0.5, 0.5, 0.2, 0.2]], np.float32)
    scores = np.array([[0.2, 0.3], [0.9, 0.1], [0.2, 0.29]], np.float32)
    found = select_candidates(boxes, scores, [7, 4], (100, 50), threshold=0.3, min_area_px=64)
    assert [one.phrase for one in found] == [4]
    assert found[0].score == pytest.approx(0.3)
    assert found[0].box_px == pytest.approx((40, 20, 60, 30))
    assert select_candidates(boxes[:0], scores[:0], [7, 4], (100, 50), 0.3, 0) == []
