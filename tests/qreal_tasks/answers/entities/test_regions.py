"""Boxes of an answer in pixels."""

from qreal_tasks.answers import LocatedRegions, locate_regions, parse_entities
from qreal_tasks.boxes import Space


def test_regions_are_converted_clipped_and_counted() -> None:
    answer = parse_entities(
        '[{"bbox_2d": [0, 500, 1000, 1000], "label": "a", "description": "x"},'
        '{"bbox_2d": [900, 0, 1100, 100]},'
        '{"bbox_2d": [1001, 0, 1100, 100]}, {"bbox_2d": [5, 5, 5, 9]}, {"bbox_2d": [9, 5, 5, 9]}]'
    )
    located = locate_regions(answer, Space.NORM1000, 800, 600)
    assert [region.bbox_px for region in located.regions] == [(0, 300, 800, 600), (720, 0, 800, 60)]
    assert (located.regions[0].label, located.regions[0].description) == ("a", "x")
    assert located.dropped == {"zero_area": 2, "reversed_corners": 1}
    assert located.clipped == 1


def test_no_entity_gives_no_region() -> None:
    assert locate_regions(parse_entities("[]"), Space.UNIT, 8, 6) == LocatedRegions((), {}, 0)
