"""Where shapes lie: charts over the unit square, intervals as strips."""

from __future__ import annotations

import pytest

from qreal_tasks.metrics.bootstrap import Estimate
from qreal_tasks.pages.environment import page_environment
from qreal_tasks.pages.shapes import LEFT, SIDE_X, SIDE_Y, TOP, draw_bar, draw_dot, place_interval


@pytest.mark.parametrize(
    ("value", "low", "high", "scale", "places", "style"),
    [
        (0.5, 0.25, 0.75, (0, 1), (50, 25, 75, None), ""),
        (0.1, 0.05, 0.2, (-0.2, 0.2), (75, 62.5, 100, 50), "up"),
        (-0.1, -0.2, -0.05, (-0.2, 0.2), (25, 0, 37.5, 50), "down"),
        (0.0, -0.1, 0.1, (-0.2, 0.2), (50, 25, 75, 50), ""),
        (-0.5, -0.6, 0.2, (0, 1), (0, 0, 20, None), ""),  # alpha may be below 0: it ends with the scale
        (0.5, None, None, (0, 1), (50, None, None, None), ""),
    ],
)
def test_a_strip_ends_with_its_scale(
    value: float,
    low: float | None,
    high: float | None,
    scale: tuple[float, float],
    places: tuple[float | None, ...],
    style: str,
) -> None:
    found = place_interval(value, Estimate(value, low, high, 9, 0), *scale)
    assert found is not None
    assert (found.value, found.low, found.high, found.zero) == places
    assert found.style == style


def test_there_is_no_strip_without_a_value_or_a_scale() -> None:
    assert place_interval(None, None, 0, 1) is None
    assert place_interval(0.0, None, 0.0, 0.0) is None
    template = '{% from "shapes.html.j2" import strip %}{{ strip(value, none) }}'
    render = page_environment("qreal_tasks.pages").from_string(template).render
    assert render(value=None).strip() == ""
    assert 'style="left:50.0%"' in render(value=0.5)


def test_corners_of_the_unit_square() -> None:
    low, high = draw_dot(0, 0, 3, "dot", ""), draw_dot(1, 1, 3, "dot", "")
    assert (low.x, low.y, high.x, high.y) == (LEFT, TOP + SIDE_Y, LEFT + SIDE_X, TOP)
    bar = draw_bar(0.5, 1, 0.25, "")
    assert (bar.y + bar.height, bar.height) == (TOP + SIDE_Y, SIDE_Y / 4)
    assert LEFT + SIDE_X / 2 < bar.x < bar.x + bar.width < LEFT + SIDE_X
